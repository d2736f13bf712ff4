"""Stage fine_tune: data/{corpus,backbone,encoded}, data/tags.json -> models/tagger/, metrics/train.json, plots/."""

from pathlib import Path

from clue_ner.common.files import write_json
from clue_ner.common.paths import home_of
from clue_ner.common.stage import run
from clue_ner.core.params import load_params
from clue_ner.evaluation.curves import write_curves
from clue_ner.tracking.recorder import TrainingRecorder
from clue_ner.tracking.store import announce
from clue_ner.training import device, distributed, trained_tagger
from clue_ner.training.evaluation_callback import History
from clue_ner.training.fine_tune import checkpoints_of, exclusive, load_taggers, save, train
from clue_ner.training.inputs import Inputs, describe
from clue_ner.training.model_setup import build_encoder


def main(root: Path) -> None:
    """Fine-tune; of several processes, only the main one logs and writes. A killed training resumes."""
    params = load_params(root / "params.yaml")
    if not distributed.is_launched():
        announce(root)
    if distributed.relaunch(__file__, params.train.processes):
        return
    inputs = Inputs.read(root)
    inputs.refuse_more_types(params.train.head, params.train.flat)
    config = describe(inputs, params, trained_tagger.records(root, params.train))
    # options that the architecture lacks, and taggers that do not fit, are refused here, before a run is recorded
    used = device.describe(params.train, build_encoder(inputs.backbone, params.train))
    teacher, start = load_taggers(trained_tagger.folders(root, params.train), inputs, params, config)
    checkpoints = checkpoints_of(home_of(root), inputs, config, used)
    with exclusive(home_of(root), checkpoints), TrainingRecorder(root, params, config, used) as recorder:

        def after_epoch(history: History) -> None:
            write_history(root, history)
            recorder.epoch(history)

        model, history = train(inputs, params, config, checkpoints, used, after_epoch, teacher, start)
        if distributed.is_main_process():
            save(root / "models/tagger", model, config, history, inputs)
            write_history(root, history)
            recorder.finish(history.summary(), [root / "plots/training.csv"])
            checkpoints.remove()


def write_history(root: Path, history: History) -> None:
    """Write the epochs so far, so that metrics and plots are up to date during training; main process only."""
    if distributed.is_main_process():
        write_json(root / "metrics/train.json", history.summary())
        write_curves(root / "plots/training.csv", history.epochs)


if __name__ == "__main__":
    run(main)
