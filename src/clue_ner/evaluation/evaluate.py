"""One evaluation for the stage evaluate and ``clue-ner evaluate``: of a tagger, or of another system's predictions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clue_ner.alignment.encode import count
from clue_ner.common.progress import tracked
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.params import EvaluateParams
from clue_ner.evaluation.error_analysis import analyse
from clue_ner.evaluation.predictions import character_tags
from clue_ner.evaluation.report import report
from clue_ner.evaluation.scores import Tags
from clue_ner.tagger.tagger import Tagger


@dataclass(frozen=True)
class Evaluation:
    """The predictions for gold sentences, and their scores."""

    predicted: Sequence[Sequence[Entity]]
    """of a tagger, only those that are legal in its scheme"""
    scores: dict[str, Any]
    """as in metrics/evaluate.json: the scores of ``report`` (none without gold sentences), the counts of ``errors``,
    and for a tagger ``alignment``: what it cannot represent
    """
    errors: dict[str, Any]
    """the result of ``analyse``, with examples"""
    lost: list[dict[str, Any]]
    """gold entities that the tagger's alignment cannot represent"""


def evaluate_tagger(
    gold: Sequence[Sentence], tagger: Tagger, settings: EvaluateParams, seed: int, label: str, batch_size: int = 64
) -> Evaluation:
    """Tag the texts like a user's texts, and score the result; ``label`` is their name in the progress bar."""
    texts = (sentence.text for sentence in gold)
    readings = list(tracked(tagger.read(texts, batch_size), f"tagging {label}", len(gold)))
    tags = character_tags(gold, [reading.entities for reading in readings]) if tagger.config.is_flat else None
    found = _scored(gold, [reading.strict for reading in readings], tags, settings, seed)
    alignment = count(gold, tagger.aligner)
    return Evaluation(found.predicted, {**found.scores, "alignment": alignment.metrics()}, found.errors, alignment.lost)


def evaluate_predictions(
    gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]], settings: EvaluateParams, seed: int
) -> Evaluation:
    """Score the entities of another system, one item per gold sentence."""
    return _scored(gold, predicted, None, settings, seed)


def _scored(
    gold: Sequence[Sentence],
    predicted: Sequence[Sequence[Entity]],
    tags: Tags | None,
    settings: EvaluateParams,
    seed: int,
) -> Evaluation:
    scores = report(gold, predicted, tags, settings.bootstrap, seed) if gold else {}
    errors = analyse(gold, predicted, settings.examples)
    counts = {name: errors[name] for name in ("counts", "per_type")}
    return Evaluation(predicted, {**scores, "errors": counts}, errors, [])
