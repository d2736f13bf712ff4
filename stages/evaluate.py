"""Stage evaluate: models/tagger, data/corpus, data/test -> metrics/evaluate.json, plots/, data/predictions/."""

from pathlib import Path

from clue_ner.alignment.encode import count
from clue_ner.common import warnings
from clue_ner.common.files import write_json
from clue_ner.common.progress import tracked
from clue_ner.common.stage import run
from clue_ner.core.params import load_params
from clue_ner.evaluation import predictions
from clue_ner.evaluation.error_analysis import analyse
from clue_ner.evaluation.plots import confusion_figure, per_type_figure, write_confusion, write_per_type
from clue_ner.evaluation.report import report
from clue_ner.tagger.tagger import Tagger
from clue_ner.tracking.replay import record_evaluation
from clue_ner.tracking.store import announce


def main(root: Path) -> None:
    """Tag the test split in the same way as a user's text, score it, and classify the errors."""
    params = load_params(root / "params.yaml")
    announce(root)
    tagger = Tagger.load(root / "models/tagger", "torch")
    split, gold, fingerprint = predictions.to_score(root)
    readings = list(tracked(tagger.read(sentence.text for sentence in gold), f"tagging {split}", len(gold)))
    strict = [reading.strict for reading in readings]
    entities = [reading.entities for reading in readings]
    tags = predictions.character_tags(gold, entities) if tagger.config.is_flat else None

    scores = report(gold, strict, tags, params.evaluate.bootstrap, params.seed) if split else {}
    errors = analyse(gold, strict, params.evaluate.examples)
    alignment = count(gold, tagger.aligner)
    predictions.write(root / "data/predictions", split, gold, strict, errors, alignment.lost)
    scores = {
        "split": split,
        "fingerprint": fingerprint,
        **scores,
        "errors": {name: errors[name] for name in ("counts", "per_type")},
        "alignment": alignment.metrics(),
        "warnings": warnings.counted(
            warnings.warned([*warnings.recorded(root), *predictions.warnings_of(split, scores)])
        ),
    }
    write_json(root / "metrics/evaluate.json", scores)
    plots = root / "plots"
    write_confusion(plots / "confusion.csv", gold, strict)
    write_per_type(plots / "per_type.csv", scores)
    confusion_figure(plots / "confusion.png", gold, strict)
    per_type_figure(plots / "per_type.png", scores)
    record_evaluation(root, tagger.config.trained.fingerprint, scores, sorted(plots.glob("*.[cp][sn][vg]")))


if __name__ == "__main__":
    run(main)
