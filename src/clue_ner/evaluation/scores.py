"""The three scores in published CLUENER numbers, with names; ``micro`` on valid chooses the kept epoch.

- *micro*: an entity is correct if start, end and type are; seqeval's strict mode with IOB2. Counts of all types are
summed.
- *lenient*: the same, but predicted tags are read as in seqeval's default mode, in which an entity may begin
  with I-. Most repositories print this score.
- *official*: CLUENER2020's own script (Xu et al. 2020): the set of surfaces of each sentence and type, so
  positions and repetitions have no influence; an F1 for each type, and their mean.

In all functions ``gold`` and ``predicted`` are aligned, one item per sentence; a span that is predicted twice counts
once; rates are between 0 and 1, and 0 if the denominator is 0; the types are those of gold and predicted together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.schemes import SCHEMES

BIO = SCHEMES["BIO"]

Item = tuple[str, Any]  # the type, and the rest that must agree
Tags = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts from which a score is computed."""

    types: list[str]
    table: NDArray[np.int64]
    """(S sentences, K types, 3): correct, predicted, gold"""


def micro(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]) -> dict[str, Any]:
    """``{precision, recall, f1, per_type: {type: {precision, recall, f1, support}}}`` of exact spans and types.

    >>> gold = [Sentence("1", "杜甫在成都", (Entity(0, 2, "name"),))]
    >>> micro(gold, [[Entity(0, 2, "name"), Entity(3, 5, "scene")]])["precision"]
    0.5
    """
    return pooled(exact_counts(gold, predicted))


def lenient(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]], tags: Tags | None) -> dict[str, Any]:
    """As ``micro``, of the entities that seqeval's default mode reads in ``tags``.

    ``tags`` has one sequence of BIO tags per sentence, one tag per character. If it is None, the model does not tag
    characters, and its spans are used directly: written as BIO, that mode would decode the same spans. Gold spans are
    used directly too, so nested or overlapping gold, which flat tags cannot represent, is not lost.

    Raises ValueError if the numbers of tags and characters of a sentence differ.
    """
    return pooled(lenient_counts(gold, predicted, tags))


def official(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]) -> dict[str, Any]:
    """``{macro_f1, per_type: {type: {precision, recall, f1, support}}}`` of the sets of surfaces.

    ``macro_f1`` is the mean over the types of gold and predicted together (CLUENER's script has its ten fixed);
    ``support`` is the number of different surfaces of a type, summed over sentences.
    """
    return averaged(surface_counts(gold, predicted))


def sentence_counts(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]) -> NDArray[np.int64]:
    """(S sentences, 3): correct, predicted and gold entities of each, as ``micro`` counts them."""
    return np.asarray(exact_counts(gold, predicted).table.sum(axis=1))


def micro_f1(counts: NDArray[Any]) -> float:
    """The F1 of ``sentence_counts``, or of sums of them over several taggers."""
    return float(rates(counts.sum(axis=0))[2])


def exact_counts(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]) -> Counts:
    """The counts of ``micro``."""
    return _count((_spans(sentence.entities) for sentence in gold), map(_spans, predicted))


def lenient_counts(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]], tags: Tags | None) -> Counts:
    """The counts of ``lenient``."""
    if tags is None:
        return exact_counts(gold, predicted)
    for sentence, row in zip(gold, tags, strict=True):
        if len(row) != len(sentence.text):
            raise ValueError(f"sentence {sentence.id}: {len(row)} tags for {len(sentence.text)} characters")
    read = ({(kind, (start, end)) for start, end, kind in BIO.decode_lenient(row)} for row in tags)
    return _count((_spans(sentence.entities) for sentence in gold), read)


def surface_counts(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]) -> Counts:
    """The counts of ``official``."""

    def surfaces(sentence: Sentence, entities: Iterable[Entity]) -> set[Item]:
        return {(entity.type, entity.surface(sentence.text)) for entity in entities}

    return _count(
        (surfaces(sentence, sentence.entities) for sentence in gold),
        (surfaces(sentence, entities) for sentence, entities in zip(gold, predicted, strict=True)),
    )


def _spans(entities: Iterable[Entity]) -> set[Item]:
    return {(entity.type, (entity.start, entity.end)) for entity in entities}


def _count(gold: Iterable[set[Item]], predicted: Iterable[set[Item]]) -> Counts:
    pairs = list(zip(predicted, gold, strict=True))
    types = sorted({item[0] for pair in pairs for items in pair for item in items})
    index = {name: i for i, name in enumerate(types)}
    table = np.zeros((len(pairs), len(types), 3), dtype=np.int64)
    for row, (found, wanted) in zip(table, pairs):
        for column, items in enumerate((found & wanted, found, wanted)):
            for item in items:
                row[index[item[0]], column] += 1
    return Counts(types, table)


def rates(sums: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and F1, each (...), of sums (..., 3): correct, predicted, gold."""
    correct, predicted, gold = np.moveaxis(sums, -1, 0)
    return _ratio(correct, predicted), _ratio(correct, gold), _ratio(2 * correct, predicted + gold)


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> NDArray[np.float64]:
    ratio: NDArray[np.float64] = np.divide(above, below, out=np.zeros(np.shape(below)), where=np.asarray(below) > 0)
    return ratio


def _line(sums: NDArray[Any]) -> dict[str, float]:
    precision, recall, f1 = (float(rate) for rate in rates(sums))
    return {"precision": precision, "recall": recall, "f1": f1}


def _per_type(counts: Counts) -> dict[str, Any]:
    lines = zip(counts.types, counts.table.sum(axis=0))
    return {name: {**_line(sums), "support": int(sums[2])} for name, sums in lines}


def pooled(counts: Counts) -> dict[str, Any]:
    """The rates of the counts of all types together, and of each type."""
    return {**_line(counts.table.sum(axis=(0, 1))), "per_type": _per_type(counts)}


def averaged(counts: Counts) -> dict[str, Any]:
    """The mean F1 of the types, and the rates of each."""
    return {"macro_f1": float(mean_f1(rates(counts.table.sum(axis=0))[2])), "per_type": _per_type(counts)}


def mean_f1(f1: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over the last axis, the types; 0 if there is none."""
    return np.asarray(f1.sum(axis=-1) / max(f1.shape[-1], 1))
