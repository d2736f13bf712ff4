"""Cells of span matrices. Letters: B batch, U units, K classes.

A span is a cell [start, last unit], both inclusive; valid cells have start <= last < length.
"""

import numpy as np
from numpy.typing import NDArray

from clue_ner.tagger.decoding._base import Ints


def cells(found: NDArray[np.bool_], lengths: Ints) -> tuple[NDArray[np.intp], ...]:
    """The indices of the valid true cells of ``found`` [B, ..., U, U] (starts x last units)."""
    spans = ~np.tri(found.shape[-1], k=-1, dtype=np.bool_)  # [U, U]; heads are not trained on the cells below
    indices = np.unravel_index(np.flatnonzero(found & spans), found.shape)
    inside = indices[-1] < lengths[indices[0]]
    return tuple(index[inside] for index in indices)
