"""Is one configuration better than another: a paired bootstrap over the test sentences."""

from dataclasses import dataclass
from pathlib import Path

from clue_ner.common.errors import ArtifactError
from clue_ner.evaluation.scores import paired
from tools.results.configurations import Configuration, one_test_split

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


def compare(root: Path, a: Configuration, b: Configuration, resamples: int = RESAMPLES) -> Comparison:
    """Compare on the same sentences, and on the seeds that both have where there are any, else on all.

    The interval and p are about sentences: how far the difference moves on other texts of this kind. Several seeds are
    pooled, which steadies the two; another draw of seeds is not part of the interval. Raises ArtifactError if the two
    were scored on different test splits.
    """
    one_test_split([*a.rows, *b.rows])
    if common := set(a.seeds) & set(b.seeds):
        a, b = a.of(common), b.of(common)
    one, other = a.counts(root), b.counts(root)
    if one.shape != other.shape:
        raise ArtifactError(f"{a.name} counts {len(one)} sentences, {b.name} {len(other)}; add both rows again")
    result = paired(one, other, resamples, SEED)
    valid = a.valid_f1 - b.valid_f1 if a.values("valid_f1") and b.values("valid_f1") else None
    low, high = result["ci95"]
    return Comparison(a, b, valid, result["difference"], low, high, result["p"])
