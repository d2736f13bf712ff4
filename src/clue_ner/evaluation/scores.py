"""The three scores that CLUENER numbers in the wild mix, named, with bootstrap intervals.

- *micro*: an entity is right if start, end and type are; seqeval's strict mode with IOB2. Counts of all types together.
- *lenient*: the same count, but predicted tags are read as seqeval's default mode reads them, which lets an entity
  begin with I-. The number most repositories print.
- *official*: CLUENER2020's own script (Xu et al. 2020): in each sentence and type, the set of surfaces, so positions
  and repetitions do not count; an F1 for each type, and their mean.

Everywhere ``gold`` and ``predicted`` are aligned, one item a sentence; a span predicted twice counts once; rates are
between 0 and 1, and 0 where the denominator is 0; the types are those of gold and predicted together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from seqeval.metrics.sequence_labeling import get_entities

from clue_ner.core.entities import Entity, Sentence
from clue_ner.evaluation.intervals import interval95, resample

Item = tuple[str, Any]  # the type, and what else must agree
Tags = Sequence[Sequence[str]]
Drawn = NDArray[np.float64] | None  # resampled sums, (R resamples, L, 3)


@dataclass(frozen=True, slots=True)
class _Counts:
    types: list[str]
    table: NDArray[np.int64]  # (S sentences, L types, 3): correct, predicted, gold


def micro(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]) -> dict[str, Any]:
    """``{precision, recall, f1, per_type: {type: {precision, recall, f1, support}}}`` of exact spans and types.

    >>> gold = [Sentence("1", "杜甫在成都", (Entity(0, 2, "name"),))]
    >>> micro(gold, [[Entity(0, 2, "name"), Entity(3, 5, "scene")]])["precision"]
    0.5
    """
    return _pooled(_exact(gold, predicted))


def lenient(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]], tags: Tags | None) -> dict[str, Any]:
    """As ``micro``, of the entities that seqeval's default mode reads in ``tags``.

    ``tags`` is one sequence of tags (BIO or BIOES) a sentence, one tag a character. Where it is None, the model tags
    no characters, and its spans count as they are: written as BIO, that mode reads the same spans back. Gold spans
    count as they are too, so nested or overlapping gold, which flat tags cannot say, is not lost.

    Raises ValueError if a sentence has another number of tags than characters.
    """
    return _pooled(_lenient(gold, predicted, tags))


def official(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]) -> dict[str, Any]:
    """``{macro_f1, per_type: {type: {precision, recall, f1, support}}}`` of the sets of surfaces.

    ``macro_f1`` is the mean over the types of gold and predicted together (CLUENER's script has its ten fixed);
    ``support`` is the number of different surfaces of a type, summed over sentences.
    """
    return _averaged(_surfaces(gold, predicted))


def report(
    gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]], tags: Tags | None, resamples: int, seed: int
) -> dict[str, Any]:
    """All three scores, each F1 with ``f1_ci95: [low, high]``, and the number of ``sentences`` and gold ``entities``.

    The intervals are percentiles over ``resamples`` draws of sentences; the scores share the draws. The types that a
    macro mean is over stay the same in all draws.
    """
    exact, read, surfaces = _exact(gold, predicted), _lenient(gold, predicted, tags), _surfaces(gold, predicted)
    return {
        "micro": _pooled(exact, resample(exact.table, resamples, seed)),
        "lenient": _pooled(read, resample(read.table, resamples, seed)),
        "official": _averaged(surfaces, resample(surfaces.table, resamples, seed)),
        "sentences": len(gold),
        "entities": sum(len(sentence.entities) for sentence in gold),
    }


def sentence_counts(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]) -> NDArray[np.int64]:
    """(S sentences, 3): correct, predicted and gold entities of each, as ``micro`` counts them."""
    return np.asarray(_exact(gold, predicted).table.sum(axis=1))


def micro_f1(counts: NDArray[Any]) -> float:
    """The F1 of ``sentence_counts``, or of sums of them over several taggers."""
    return float(_rates(counts.sum(axis=0))[2])


def micro_f1_ci95(counts: NDArray[np.int64], resamples: int, seed: int) -> list[float]:
    """``[low, high]`` of ``micro_f1`` over draws of sentences."""
    return interval95(_rates(resample(counts, resamples, seed))[2])


def paired(a: NDArray[np.int64], b: NDArray[np.int64], resamples: int, seed: int) -> dict[str, Any]:
    """``{difference, ci95: [low, high], p}`` of micro F1, ``a`` minus ``b``, on the same draws of sentences.

    ``a`` and ``b`` are ``sentence_counts`` (S, 3) of the same sentences in the same order, or sums of them over several
    taggers, which pools these. ``p`` is two-sided: twice the share of draws in which the difference is zero or has the
    rarer sign, one draw added so that it is never 0, at most 1 (paired bootstrap: Koehn 2004).
    """
    table = np.stack([a, b], axis=1)
    first, second = _rates(table.sum(axis=0))[2]
    drawn = _rates(resample(table, resamples, seed))[2]
    differences = drawn[:, 0] - drawn[:, 1]
    rarer = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return {
        "difference": float(first - second),
        "ci95": interval95(differences),
        "p": min(1.0, 2 * (rarer + 1) / (resamples + 1)),
    }


def _exact(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]) -> _Counts:
    return _count((_spans(sentence.entities) for sentence in gold), map(_spans, predicted))


def _lenient(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]], tags: Tags | None) -> _Counts:
    if tags is None:
        return _exact(gold, predicted)
    for sentence, row in zip(gold, tags, strict=True):
        if len(row) != len(sentence.text):
            raise ValueError(f"sentence {sentence.id}: {len(row)} tags for {len(sentence.text)} characters")
    read = ({(kind, (start, last + 1)) for kind, start, last in get_entities(list(row))} for row in tags)
    return _count((_spans(sentence.entities) for sentence in gold), read)


def _surfaces(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]) -> _Counts:
    def surfaces(sentence: Sentence, entities: Iterable[Entity]) -> set[Item]:
        return {(entity.type, entity.surface(sentence.text)) for entity in entities}

    return _count(
        (surfaces(sentence, sentence.entities) for sentence in gold),
        (surfaces(sentence, entities) for sentence, entities in zip(gold, predicted, strict=True)),
    )


def _spans(entities: Iterable[Entity]) -> set[Item]:
    return {(entity.type, (entity.start, entity.end)) for entity in entities}


def _count(gold: Iterable[set[Item]], predicted: Iterable[set[Item]]) -> _Counts:
    pairs = list(zip(predicted, gold, strict=True))
    types = sorted({item[0] for pair in pairs for items in pair for item in items})
    index = {name: i for i, name in enumerate(types)}
    table = np.zeros((len(pairs), len(types), 3), dtype=np.int64)
    for row, (found, wanted) in zip(table, pairs):
        for column, items in enumerate((found & wanted, found, wanted)):
            for item in items:
                row[index[item[0]], column] += 1
    return _Counts(types, table)


def _rates(sums: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and F1 (...) of sums (..., 3): correct, predicted, gold."""
    correct, predicted, gold = np.moveaxis(sums, -1, 0)
    return _ratio(correct, predicted), _ratio(correct, gold), _ratio(2 * correct, predicted + gold)


def _ratio(above: NDArray[Any], below: NDArray[Any]) -> NDArray[np.float64]:
    ratio: NDArray[np.float64] = np.divide(above, below, out=np.zeros(np.shape(below)), where=np.asarray(below) > 0)
    return ratio


def _line(sums: NDArray[Any], drawn: Drawn) -> dict[str, Any]:
    """The rates of sums (3,), with an interval if there are resampled sums (R, 3)."""
    precision, recall, f1 = (float(rate) for rate in _rates(sums))
    line: dict[str, Any] = {"precision": precision, "recall": recall, "f1": f1}
    if drawn is not None:
        line["f1_ci95"] = interval95(_rates(drawn)[2])
    return line


def _per_type(counts: _Counts, drawn: Drawn) -> dict[str, Any]:
    lines = {}
    for i, (name, sums) in enumerate(zip(counts.types, counts.table.sum(axis=0))):
        line = _line(sums, None if drawn is None else drawn[:, i])
        lines[name] = {**line, "support": int(sums[2])}
    return lines


def _pooled(counts: _Counts, drawn: Drawn = None) -> dict[str, Any]:
    pooled = _line(counts.table.sum(axis=(0, 1)), None if drawn is None else drawn.sum(axis=1))
    return {**pooled, "per_type": _per_type(counts, drawn)}


def _averaged(counts: _Counts, drawn: Drawn = None) -> dict[str, Any]:
    averaged: dict[str, Any] = {"macro_f1": float(_mean(_rates(counts.table.sum(axis=0))[2]))}
    if drawn is not None:
        averaged["f1_ci95"] = interval95(_mean(_rates(drawn)[2]))
    return {**averaged, "per_type": _per_type(counts, drawn)}


def _mean(f1: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over the last axis, 0 where it is empty."""
    return np.asarray(f1.sum(axis=-1) / max(f1.shape[-1], 1))
