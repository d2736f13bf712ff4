"""All three scores of a split with bootstrap intervals, and the difference of two taggers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clue_ner.core.entities import Entity, Sentence
from clue_ner.evaluation.intervals import interval95, resample
from clue_ner.evaluation.scores import (
    Counts,
    Tags,
    averaged,
    exact_counts,
    lenient_counts,
    mean_f1,
    pooled,
    rates,
    surface_counts,
)


def report(
    gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]], tags: Tags | None, resamples: int, seed: int
) -> dict[str, Any]:
    """All three scores, each F1 with ``f1_ci95: [low, high]``, and the number of ``sentences`` and gold ``entities``.

    The intervals are percentiles over ``resamples`` draws of sentences; all scores use the same draws. The types in a
    macro mean are the same in all draws.
    """
    exact, read, surfaces = (
        exact_counts(gold, predicted),
        lenient_counts(gold, predicted, tags),
        surface_counts(gold, predicted),
    )

    def with_intervals(score: dict[str, Any], counts: Counts) -> dict[str, Any]:
        drawn = resample(counts.table, resamples, seed)  # (R resamples, K types, 3)
        per_type = {
            name: {**line, "f1_ci95": interval95(rates(drawn[:, i])[2])}
            for i, (name, line) in enumerate(score.pop("per_type").items())
        }
        overall = mean_f1(rates(drawn)[2]) if "macro_f1" in score else rates(drawn.sum(axis=1))[2]
        return {**score, "f1_ci95": interval95(overall), "per_type": per_type}

    return {
        "micro": with_intervals(pooled(exact), exact),
        "lenient": with_intervals(pooled(read), read),
        "official": with_intervals(averaged(surfaces), surfaces),
        "sentences": len(gold),
        "entities": sum(len(sentence.entities) for sentence in gold),
    }


def micro_f1_ci95(counts: NDArray[np.int64], resamples: int, seed: int) -> list[float]:
    """``[low, high]`` of ``micro_f1`` over draws of sentences."""
    return interval95(rates(resample(counts, resamples, seed))[2])


def paired(a: NDArray[np.int64], b: NDArray[np.int64], resamples: int, seed: int) -> dict[str, Any]:
    """``{difference, ci95: [low, high], p}`` of micro F1, ``a`` minus ``b``, on the same draws of sentences.

    ``a`` and ``b`` are ``sentence_counts`` (S, 3) of the same sentences in the same order, or sums of them over several
    taggers, which pools these. ``p`` is two-sided: twice the share of draws in which the difference is zero or has the
    rarer sign, with one draw added so that it is never 0, and at most 1 (paired bootstrap: Koehn 2004).
    """
    table = np.stack([a, b], axis=1)
    first, second = rates(table.sum(axis=0))[2]
    drawn = rates(resample(table, resamples, seed))[2]
    differences = drawn[:, 0] - drawn[:, 1]
    rarer = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return {
        "difference": float(first - second),
        "ci95": interval95(differences),
        "p": min(1.0, 2 * (rarer + 1) / (resamples + 1)),
    }
