"""Is one configuration better than another: a paired bootstrap over the test sentences."""

from collections.abc import Mapping
from dataclasses import dataclass

from clue_ner.common.errors import ArtifactError
from clue_ner.evaluation.report import paired
from tools.results.configurations import Configuration, one_test_split
from tools.results.rows import Counts

RESAMPLES, SEED = 10_000, 0


@dataclass(frozen=True)
class Comparison:
    """``a`` minus ``b``, shares of 1; see ``paired``."""

    a: Configuration
    b: Configuration
    valid: float | None
    """difference of the mean valid micro F1"""
    test: float
    """difference of micro F1, of the counts of all seeds together"""
    low: float
    high: float
    p: float


def compare(counts: Mapping[str, Counts], a: Configuration, b: Configuration, resamples: int = RESAMPLES) -> Comparison:
    """Compare on the same sentences, by the ``counts`` of rows, and on the seeds that both have, or on all if none.

    The interval and p are about sentences: how far the difference moves on other texts of this kind. Several seeds are
    pooled, which steadies the two; another draw of seeds is not part of the interval. Raises ArtifactError if the two
    were scored on different test splits, or counts are missing.
    """
    one_test_split([*a.rows, *b.rows])
    if common := set(a.seeds) & set(b.seeds):
        a, b = a.of(common), b.of(common)
    one, other = a.pooled(counts), b.pooled(counts)
    if one.shape != other.shape:
        raise ArtifactError(f"{a.name} counts {len(one)} sentences, {b.name} {len(other)}; add both rows again")
    result = paired(one, other, resamples, SEED)
    valid = a.valid_f1 - b.valid_f1 if a.values("valid_f1") and b.values("valid_f1") else None
    low, high = result["ci95"]
    return Comparison(a, b, valid, result["difference"], low, high, result["p"])
