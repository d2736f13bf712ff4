"""Start and end pointers: for each type and unit, whether an entity starts there and whether one ends there."""

from collections.abc import Hashable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from clue_ner.network.heads._base import EntityHead, HeadSpec
from clue_ner.network.heads._span_matrix import entity_cells

RARE = -4.0
"""The initial bias of starts and ends, because few units are one (Lin et al. 2017)."""


class Head(EntityHead):
    """A linear layer to a start and an end logit for each type, binary decisions as in CasRel (Wei et al. 2020)."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        self.linear = nn.Linear(spec.size, 2 * len(spec.types))
        nn.init.constant_(self.linear.bias, RARE)

    def forward(self, states: Tensor) -> Tensor:
        """Logits [B, U, 2 K] of states [B, U, H]: starts, then ends."""
        logits: Tensor = self.linear(self.dropout(states))
        return logits

    def rows(self) -> dict[str, tuple[Sequence[Hashable], ...]]:
        """A row for the start of each type, then one for its end."""
        edges = [(edge, type_) for edge in ("start", "end") for type_ in self.spec.types]
        return {"linear.weight": (edges,), "linear.bias": (edges,)}

    def loss(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Binary cross entropy, summed over starts and ends and divided by the number of units in the batch.

        The terms of a weighted type are multiplied by its weight.
        """
        mask = batch["unit_mask"]
        wanted = torch.zeros_like(logits, dtype=torch.float32)  # [B, U, 2 K]
        rows, types, starts, lasts = entity_cells(batch["entities"])  # [N]
        wanted[rows, starts, types] = 1
        wanted[rows, lasts, len(self.spec.types) + types] = 1
        scores = logits[mask].float()  # [units, 2 K]
        weights = self.weights_of(2 * self.spec.types, scores)
        return binary_cross_entropy_with_logits(scores, wanted[mask], weights, reduction="sum") / mask.sum()
