"""Head span: each start is paired with the nearest end of its type, at or after it.

A start is dropped if another start of its type comes before the end. Entities of different types may overlap, nest or
start together; entities of one type cannot.
"""

import numpy as np

from clue_ner.tagger.decoding._base import Decoded, EntityDecoder, Floats, Ints, sigmoid, wrong

READS_TAGS = False
MORE_TYPES = True


class Decoder(EntityDecoder):
    """Logits [B, U, 2 K]: a start for each type, then an end for each type, all yes/no decisions."""

    def decode(self, logits: Floats, lengths: Ints) -> list[Decoded]:
        """The pairs, in order of start and end; the score is the mean of the start's and the end's probability."""
        types = len(self.spec.types)
        rows, units, columns = np.unravel_index(np.flatnonzero(logits > 0), logits.shape)
        inside = units < lengths[rows]
        rows, units, columns = rows[inside], units[inside], columns[inside]
        is_end, kinds = columns >= types, columns % types
        # Sorted by window, type and unit; at the same unit, starts come first.
        order = np.lexsort((is_end, units, kinds, rows))
        rows, units, kinds, is_end = rows[order], units[order], kinds[order], is_end[order]
        follows = ~is_end[:-1] & is_end[1:] & (rows[:-1] == rows[1:]) & (kinds[:-1] == kinds[1:])
        (at,) = np.nonzero(follows)
        rows, kinds, firsts, lasts = rows[at], kinds[at], units[at], units[at + 1]
        started, ended = sigmoid(logits[rows, firsts, kinds]), sigmoid(logits[rows, lasts, types + kinds])
        found = np.lexsort((kinds, lasts, firsts, rows))
        columns_found = (rows, firsts, lasts, kinds, (started + ended) / 2)
        return self.grouped(len(lengths), *(column[found] for column in columns_found))

    def doubts(self, logits: Floats, lengths: Ints) -> Floats:
        """Two decisions a unit and type: whether one begins there, and whether one ends there."""
        inside = np.arange(logits.shape[1]) < lengths[:, None]  # [B, U]
        return np.asarray(np.where(inside, wrong(logits).sum(-1), 0))
