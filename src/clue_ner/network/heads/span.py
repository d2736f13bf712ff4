"""Pointers: for each type, whether an entity starts at a unit and whether one ends there.

Decoding pairs each start with the nearest end of its type, at or after it; one before which another start of that type
comes stays alone. Entities of different types may overlap, nest or start together; of one type, they cannot.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from clue_ner.network.heads._base import Decoded, EntityHead, HeadSpec
from clue_ner.network.heads._span_matrix import entity_cells

READS_TAGS = False
RARE = -4.0
"""The first bias of a start and an end: few units are one, and training need not find that out (Lin et al. 2017)."""


class Head(EntityHead):
    """A linear layer to a start and an end logit a type, each a yes or no (as CasRel's: Wei et al. 2020)."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        self.linear = nn.Linear(spec.size, 2 * len(spec.types))
        nn.init.constant_(self.linear.bias, RARE)

    def forward(self, states: Tensor) -> Tensor:
        """Logits [B, U, 2 T] of states [B, U, H]: starts, then ends."""
        logits: Tensor = self.linear(self.dropout(states))
        return logits

    def loss(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Binary cross entropy, summed over starts and ends, a mean over the units of the batch.

        A weighed type's starts and ends count so much.
        """
        mask = batch["unit_mask"]
        wanted = torch.zeros_like(logits, dtype=torch.float32)
        rows, types, starts, lasts = entity_cells(batch["entities"])
        wanted[rows, starts, types] = 1
        wanted[rows, lasts, len(self.spec.types) + types] = 1
        scores = logits[mask].float()
        weights = self.weights_of(2 * self.spec.types, scores)
        return binary_cross_entropy_with_logits(scores, wanted[mask], weights, reduction="sum") / mask.sum()

    @torch.no_grad()
    def decode(self, logits: Tensor, mask: Tensor) -> list[Decoded]:
        """The pairs; an entity's score is the mean of its start's and its end's probability."""
        starts, ends = ((logits > 0) & mask[..., None]).chunk(2, dim=-1)
        units = mask.shape[1]
        positions = torch.arange(units, device=mask.device)[:, None]
        next_end = _next(torch.where(ends, positions, units))
        other_start = _next(torch.where(starts, positions, units)).roll(-1, 1)
        other_start[:, -1] = units
        paired = starts & (next_end < other_start)
        rows, firsts, types = paired.nonzero(as_tuple=True)
        lasts = next_end[rows, firsts, types]
        started, ended = logits.float().sigmoid().chunk(2, dim=-1)
        scores = (started[rows, firsts, types] + ended[rows, lasts, types]) / 2
        return self.decoded(len(mask), rows, firsts, lasts, types, scores)


def _next(positions: Tensor) -> Tensor:
    """For each place [B, U, T] the smallest of the positions at it and after it."""
    return positions.flip(1).cummin(1).values.flip(1)
