"""Stage fine_tune: data/{corpus,backbone,encoded}, data/tags.json -> models/tagger/, metrics/train.json, plots/."""

from pathlib import Path

from clue_ner.common.files import write_json
from clue_ner.common.paths import home_of
from clue_ner.common.stage import run
from clue_ner.core.params import load_params
from clue_ner.evaluation.curves import write_curves
from clue_ner.tracking import resolve_teacher
from clue_ner.tracking.recorder import TrainingRecorder
from clue_ner.training import device, distributed
from clue_ner.training.fine_tune import checkpoints_of, exclusive, save, train
from clue_ner.training.inputs import Inputs, describe
from clue_ner.training.model_setup import build_encoder


def main(root: Path) -> None:
    """Fine-tune; of several processes, the main one records and writes. A killed training is resumed."""
    params = load_params(root / "params.yaml")
    if distributed.relaunch(__file__, params.train.processes):
        return
    teacher = resolve_teacher(root, params.train.teacher)
    inputs = Inputs.read(root)
    config = describe(inputs, params, teacher)
    build_encoder(inputs.backbone, params.train)  # before a run is recorded with params that it does not have
    checkpoints = checkpoints_of(home_of(root), inputs, params, config)
    with exclusive(home_of(root), checkpoints):
        recorder = TrainingRecorder(root, params, config, device.describe(params.train, inputs.backbone))
        model, history = train(inputs, params, config, checkpoints, recorder.epoch, teacher)
        if distributed.is_main_process():
            save(root / "models/tagger", model, config, history, inputs)
            write_json(root / "metrics/train.json", history.summary())
            write_curves(root / "plots/training.csv", history.epochs)
            recorder.finish(history.summary(), [root / "plots/training.csv"])
            checkpoints.remove()


if __name__ == "__main__":
    run(main)
