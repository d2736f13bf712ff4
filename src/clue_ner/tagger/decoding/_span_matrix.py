"""Cells of span matrices. Letters: B batch, U units, K classes.

A span is a cell [start, last unit], both inclusive; valid cells have start <= last < length.
"""

import numpy as np
from numpy.typing import NDArray

from clue_ner.tagger.decoding._base import Floats, Ints


def cells(found: NDArray[np.bool_], lengths: Ints) -> tuple[NDArray[np.intp], ...]:
    """The indices of the valid true cells of ``found`` [B, ..., U, U] (starts x last units)."""
    indices = np.unravel_index(np.flatnonzero(found & _spans(found.shape[-1])), found.shape)
    inside = indices[-1] < lengths[indices[0]]
    return tuple(index[inside] for index in indices)


def sums_by_start(values: Floats, lengths: Ints) -> Floats:
    """The sums [B, U] of ``values`` [B, U, U] over the cells that count, for each start."""
    units = values.shape[-1]
    inside = np.arange(units) < lengths[:, None]  # [B, U]
    counts = _spans(units) & inside[:, None, :]  # [B, U, U]: a start behind the end has no last unit inside
    return np.asarray(np.where(counts, values, 0).sum(-1))


def _spans(units: int) -> NDArray[np.bool_]:
    """The cells [U, U] whose start is not behind the last unit; heads learn nothing of the others."""
    return ~np.tri(units, k=-1, dtype=np.bool_)
