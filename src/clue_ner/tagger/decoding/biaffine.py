"""Head biaffine: the spans whose most probable class is a type, best first, without those that cross a better one.

Two spans cross if they overlap and neither contains the other. Entities may nest; a span has one type.
"""

import numpy as np

from clue_ner.tagger.decoding._base import Decoded, EntityDecoder, Floats, Ints, Scored, softmax
from clue_ner.tagger.decoding._span_matrix import cells, sums_by_start

READS_TAGS = False
PARAMS = {"head_size": 64}


class Decoder(EntityDecoder):
    """Logits [B, 1 + K, U, U], starts x last units; class 0 is "no entity"."""

    unit_axes = (2, 3)

    def decode(self, logits: Floats, lengths: Ints) -> list[Decoded]:
        """The spans, in order of start and end; the score is the class's probability."""
        rows, starts, lasts = cells(logits[:, 1:].max(1) > logits[:, 0], lengths)
        spans = logits[rows, :, starts, lasts]  # [N, 1 + K]
        classes = spans.argmax(-1)  # sorted by logits, because almost equal logits can have the same probability
        scores = softmax(spans, -1).max(-1)
        ranks = np.lexsort((lasts, starts, rows, -scores))
        found: list[list[Scored]] = [[] for _ in lengths]
        taken: list[list[tuple[int, int]]] = [[] for _ in lengths]
        columns = (rows, starts, lasts, classes - 1, scores)
        for row, start, last, type_, score in zip(*(column[ranks].tolist() for column in columns)):
            if not _crosses(start, last, taken[row]):
                taken[row].append((start, last))
                found[row].append((start, last + 1, self.spec.types[type_], score))
        return [Decoded(entities, entities) for entities in map(sorted, found)]

    def doubts(self, logits: Floats, lengths: Ints) -> Floats:
        """A decision a span: its class."""
        return sums_by_start(1 - softmax(logits, 1).max(1), lengths)


def _crosses(start: int, last: int, taken: list[tuple[int, int]]) -> bool:
    return any(first < start <= end < last or start < first <= last < end for first, end in taken)
