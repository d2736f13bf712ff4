"""Stage evaluate: models/tagger, data/corpus, data/test -> metrics/evaluate.json, plots/, data/predictions/."""

import logging
from pathlib import Path

from clue_ner.common import warnings
from clue_ner.common.files import write_json
from clue_ner.common.stage import run
from clue_ner.core.device import AUTO, unused_gpu
from clue_ner.core.params import load_params
from clue_ner.evaluation import predictions
from clue_ner.evaluation.evaluate import evaluate_tagger
from clue_ner.evaluation.plots import confusion_figure, per_type_figure, write_confusion, write_per_type
from clue_ner.tagger.tagger import Tagger
from clue_ner.tracking.replay import record_evaluation
from clue_ner.tracking.store import announce

logger = logging.getLogger("clue_ner.stages.evaluate")


def main(root: Path) -> None:
    """Tag the test split in the same way as a user's text, score it, and classify the errors."""
    params = load_params(root / "params.yaml")
    announce(root)
    tagger = Tagger.load(root / "models/tagger", "torch", device=params.evaluate.device)
    device = tagger.runtime.device_name
    logger.info("tagging on %s", device)
    if params.evaluate.device == AUTO and (unused := unused_gpu(tagger.runtime.device)) is not None:
        logger.warning("%s", unused)
    split, gold, fingerprint = predictions.to_score(root)
    found = evaluate_tagger(gold, tagger, params.evaluate, params.seed, str(split))
    predictions.write(root / "data/predictions", split, gold, found.predicted, found.errors, found.lost)
    scores = {
        "split": split,
        "fingerprint": fingerprint,
        "device": device,
        **found.scores,
        "warnings": warnings.counted(
            warnings.warned([*warnings.recorded(root), *predictions.warnings_of(split, found.scores)])
        ),
    }
    write_json(root / "metrics/evaluate.json", scores)
    plots = root / "plots"
    write_confusion(plots / "confusion.csv", gold, found.predicted)
    write_per_type(plots / "per_type.csv", scores)
    confusion_figure(plots / "confusion.png", gold, found.predicted)
    per_type_figure(plots / "per_type.png", scores)
    record_evaluation(root, tagger.config.trained.fingerprint, scores, sorted(plots.glob("*.[cp][sn][vg]")))


if __name__ == "__main__":
    run(main)
