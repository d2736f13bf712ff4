"""Stage fine_tune: data/, data/tags.json -> models/tagger/, metrics/train.json, plots/training.csv."""

from pathlib import Path

from clue_ner.artifacts import write_json
from clue_ner.params import load_params
from clue_ner.stage import run
from clue_ner.tracking.recorder import TrainingRecorder
from clue_ner.training.curves import write_curves
from clue_ner.training.precision import device_name
from clue_ner.training.run import describe, summary, train


def main(root: Path) -> None:
    """Fine-tune, telling MLflow of every epoch; then write what happened as numbers and curves."""
    params = load_params(root / "params.yaml")
    card = describe(root, params)
    recorder = TrainingRecorder(root, params, card, device_name(params.train.precision))
    history = train(root, params, card, tell=recorder.epoch)
    write_json(root / "metrics/train.json", summary(history))
    write_curves(root / "plots/training.csv", history.epochs)
    recorder.finish(summary(history), [root / "plots/training.csv"])


if __name__ == "__main__":
    run(main)
