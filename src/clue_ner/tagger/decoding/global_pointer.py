"""Head global_pointer: every span whose score for a type is above 0; entities may overlap and nest in any way."""

import numpy as np

from clue_ner.tagger.decoding._base import Decoded, EntityDecoder, Floats, Ints, sigmoid, wrong
from clue_ner.tagger.decoding._span_matrix import cells, sums_by_start

READS_TAGS = False
MORE_TYPES = True
PARAMS = {"efficient": False, "head_size": 64}


class Decoder(EntityDecoder):
    """Logits [B, K, U, U], first x last units."""

    unit_axes = (2, 3)

    def decode(self, logits: Floats, lengths: Ints) -> list[Decoded]:
        """The spans, in order of start and end; an entity's score is the sigmoid of its logit."""
        rows, types, starts, lasts = cells(logits > 0, lengths)
        order = np.lexsort((types, lasts, starts, rows))
        columns = rows, starts, lasts, types, sigmoid(logits[rows, types, starts, lasts])
        return self.grouped(len(lengths), *(column[order] for column in columns))

    def doubts(self, logits: Floats, lengths: Ints) -> Floats:
        """A decision a span and type."""
        return sums_by_start(wrong(logits).sum(1), lengths)
