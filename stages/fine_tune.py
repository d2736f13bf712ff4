"""Stage fine_tune: data/, data/tags.json -> models/tagger/, metrics/train.json, plots/training.csv."""

from pathlib import Path

from clue_ner.artifacts import write_json
from clue_ner.params import Params, load_params
from clue_ner.stage import run
from clue_ner.tracking.recorder import TrainingRecorder
from clue_ner.training import device, distributed
from clue_ner.training.curves import write_curves
from clue_ner.training.run import describe, summary, train


def main(root: Path) -> None:
    """Fine-tune, in this process or in several of which one leads."""
    params = load_params(root / "params.yaml")
    if params.train.processes > 1 and not distributed.is_launched():
        distributed.launch(__file__, params.train.processes)
    elif distributed.leads():
        lead(root, params)
    else:
        train(root, params, describe(root, params), tell=lambda history: None)


def lead(root: Path, params: Params) -> None:
    """Fine-tune, telling MLflow of every epoch; then write what happened as numbers and curves."""
    card = describe(root, params)
    recorder = TrainingRecorder(root, params, card, device.describe(params.train))
    history = train(root, params, card, tell=recorder.epoch)
    write_json(root / "metrics/train.json", summary(history))
    write_curves(root / "plots/training.csv", history.epochs)
    recorder.finish(summary(history), [root / "plots/training.csv"])


if __name__ == "__main__":
    run(main)
