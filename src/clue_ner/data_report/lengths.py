"""Lengths of texts and of spans, in characters."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from clue_ner.core.entities import Sentence

QUANTILES = {"median": 0.5, "p95": 0.95, "p99": 0.99}

Summary = dict[str, int]
"""The keys ``min``, those of ``QUANTILES`` and ``max``; empty if there is nothing to measure."""


def summary(lengths: Iterable[int]) -> Summary:
    """The minimum, the maximum, and quantiles by nearest rank, so that each value is a length that occurs.

    >>> summary([4, 1, 2, 3])
    {'min': 1, 'median': 2, 'p95': 4, 'p99': 4, 'max': 4}
    """
    ordered = sorted(lengths)
    if not ordered:
        return {}
    quantiles = {name: ordered[max(0, -int(-share * len(ordered) // 1) - 1)] for name, share in QUANTILES.items()}
    return {"min": ordered[0], **quantiles, "max": ordered[-1]}


def span_lengths(sentences: Sequence[Sentence]) -> dict[str, Summary]:
    """The summary for each type, sorted by name."""
    lengths: dict[str, list[int]] = defaultdict(list)
    for sentence in sentences:
        for entity in sentence.entities:
            lengths[entity.type].append(entity.end - entity.start)
    return {type_: summary(found) for type_, found in sorted(lengths.items())}
