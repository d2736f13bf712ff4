"""Bootstrap confidence intervals over sentences.

Sentences are drawn with replacement, not entities, because the errors in one sentence are correlated (percentile
bootstrap: Efron and Tibshirani 1993, chapter 13).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_WEIGHTS_AT_ONCE = 2**22  # resamples times sentences: 32 MiB


def resample(counts: NDArray[np.int64], resamples: int, seed: int) -> NDArray[np.float64]:
    """The sums of counts over S sentences drawn with replacement, ``resamples`` times.

    ``counts`` is (S, ...) with S sentences first; the result is (resamples, ...), integers. The same S, ``resamples``
    and ``seed`` draw the same sentences, whatever is counted.
    """
    return np.concatenate([np.tensordot(w, counts, axes=1) for w in _weights(len(counts), resamples, seed)])


def interval95(values: NDArray[np.float64]) -> list[float]:
    """``[low, high]``: the 2.5th and 97.5th percentile of ``values`` (resamples,).

    >>> interval95(np.arange(101) / 100)
    [0.025, 0.975]
    """
    low, high = np.percentile(values, [2.5, 97.5])
    return [float(low), float(high)]


def _weights(sentences: int, resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """The number of draws of each sentence, in blocks (some resamples, S), so that memory is bounded."""
    if not sentences:
        yield np.zeros((resamples, 0))
        return
    generator = np.random.default_rng(seed)
    step = max(1, _WEIGHTS_AT_ONCE // sentences)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        yield generator.multinomial(sentences, np.full(sentences, 1 / sentences), size).astype(np.float64)
