"""A biaffine classifier of every span (Yu et al. 2020, arXiv 2005.07150), after Dozat and Manning 2017.

A unit as a start and the same unit as an end have a layer each; a form on both says how likely each type is for the
span, or that it is none. Entities may nest; a span has one type.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu

from clue_ner.core.schemes import OUTSIDE
from clue_ner.network.heads import _span_matrix
from clue_ner.network.heads._base import Decoded, EntityHead, HeadSpec, Scored

READS_TAGS = False
RARE = 8.0
"""What is added to the first bias of "no entity": one span in hundreds is one, and training need not find that out
(Lin et al. 2017)."""


class Head(EntityHead):
    """Starts and ends of size ``head_size`` (D), a D x D form and a linear one for each of T + 1 classes."""

    unit_axes = (2, 3)
    class_axis = 1

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        size, classes = spec.head_size, len(spec.types) + 1
        self.start, self.end = nn.Linear(spec.size, size), nn.Linear(spec.size, size)
        self.form = nn.Linear(size, classes * size, bias=False)
        nn.init.normal_(self.form.weight, std=1 / size)
        self.start_bias, self.end_bias = nn.Linear(size, classes), nn.Linear(size, classes, bias=False)
        with torch.no_grad():
            self.start_bias.bias[0] += RARE

    def forward(self, states: Tensor) -> Tensor:
        """Logits [B, 1 + T, U, U], starts by last units, of states [B, U, H]; class 0 is no entity."""
        states = self.dropout(states)
        starts, ends = self.dropout(gelu(self.start(states))), self.dropout(gelu(self.end(states)))
        formed = self.form(starts).reshape(*starts.shape[:2], -1, self.spec.head_size)
        logits = _span_matrix.class_products(formed, ends[:, :, None])
        of_start, of_end = self.start_bias(starts).transpose(1, 2), self.end_bias(ends).transpose(1, 2)
        summed: Tensor = logits + of_start[..., None] + of_end[:, :, None]
        return summed

    def loss(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Cross entropy, summed over all spans, a mean over the units of the batch.

        Of two types on the same span, the one with the higher id is learned. A weighed type's entities count so much.
        """
        mask = batch["unit_mask"]
        wanted = torch.zeros(len(mask), *logits.shape[2:], dtype=torch.long, device=logits.device)
        rows, types, starts, lasts = _span_matrix.entity_cells(batch["entities"])
        wanted.view(-1).scatter_reduce_(
            0, (rows * wanted.shape[1] + starts) * wanted.shape[1] + lasts, types + 1, reduce="amax"
        )
        spans = self.counted(mask)[:, 0]
        scores = logits.permute(0, 2, 3, 1)[spans].float()
        weights = self.weights_of((OUTSIDE, *self.spec.types), scores)
        return cross_entropy(scores, wanted[spans], weights, reduction="sum") / mask.sum()

    @torch.no_grad()
    def decode(self, logits: Tensor, mask: Tensor) -> list[Decoded]:
        """The spans whose most probable class is a type, best first, without those that cross a better one.

        Two cross if each has a unit of its own and they share one. In order of start and end.
        """
        best, classes = logits.float().softmax(1).max(1)
        rows, starts, lasts = ((classes > 0) & self.counted(mask)[:, 0]).nonzero(as_tuple=True)
        scores, types = best[rows, starts, lasts], classes[rows, starts, lasts] - 1
        columns = torch.stack([rows, starts, lasts, types]).cpu().numpy()
        ranks = np.argsort(-scores.cpu().numpy(), kind="stable")
        found: list[list[Scored]] = [[] for _ in mask]
        taken: list[list[tuple[int, int]]] = [[] for _ in mask]
        for row, start, last, type_, score in zip(*columns[:, ranks].tolist(), scores.cpu().numpy()[ranks].tolist()):
            if not _crosses(start, last, taken[row]):
                taken[row].append((start, last))
                found[row].append((start, last + 1, self.spec.types[type_], score))
        return [Decoded(entities, entities) for entities in map(sorted, found)]

    def counted(self, mask: Tensor) -> Tensor:
        """The cells [B, 1, U, U] that are spans of windows with ``mask`` [B, U]."""
        return _span_matrix.counted(mask)


def _crosses(start: int, last: int, taken: list[tuple[int, int]]) -> bool:
    return any(first < start <= end < last or start < first <= last < end for first, end in taken)
