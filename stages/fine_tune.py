"""Stage fine_tune: data/, data/tags.json -> models/tagger/, metrics/train.json, plots/training.csv."""

from pathlib import Path

from clue_ner.common.paths import home_of
from clue_ner.common.stage import run
from clue_ner.core.files import write_json
from clue_ner.core.params import Params, load_params
from clue_ner.evaluation.curves import write_curves
from clue_ner.tracking import resolve_teacher
from clue_ner.tracking.recorder import TrainingRecorder
from clue_ner.training import device, distributed
from clue_ner.training.fine_tune import checkpoints_of, describe, summary, train


def main(root: Path) -> None:
    """Fine-tune, in this process or in several of which one leads."""
    params = load_params(root / "params.yaml")
    teacher = resolve_teacher(root, params.train.teacher)
    if params.train.processes > 1 and not distributed.is_launched():
        distributed.launch(__file__, params.train.processes)
    elif distributed.leads():
        lead(root, params, teacher)
    else:
        card = describe(root, params, teacher)
        train(root, params, card, lambda history: None, checkpoints_of(root, params, card), teacher)


def lead(root: Path, params: Params, teacher: Path | None) -> None:
    """Fine-tune, telling MLflow of every epoch; then write what happened as numbers and curves.

    Trainings on one device take turns; what a kill left of the same training is gone on from.
    """
    card = describe(root, params, teacher)
    checkpoints = checkpoints_of(root, params, card)
    with device.turn(home_of(root)), checkpoints.held():
        recorder = TrainingRecorder(root, params, card, device.describe(params.train))
        history = train(root, params, card, recorder.epoch, checkpoints, teacher)
        write_json(root / "metrics/train.json", summary(history))
        write_curves(root / "plots/training.csv", history.epochs)
        recorder.finish(summary(history), [root / "plots/training.csv"])
        checkpoints.remove()


if __name__ == "__main__":
    run(main)
