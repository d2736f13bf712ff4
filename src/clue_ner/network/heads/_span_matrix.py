"""Shared by heads that score every span as a cell of a matrix, starts x ends.

Letters: B batch, U units, E entities, N all entities of the batch, K classes, D size of the vectors. A span is the
cell [start, last unit], both inclusive; valid cells have start <= last and are inside the window.
"""

import torch
from torch import Tensor

from clue_ner.network.heads._base import EntityHead


class SpanMatrixHead(EntityHead):
    """A head whose logits are [B, K, U, U]."""

    def valid_mask(self, mask: Tensor) -> Tensor:
        """The valid cells [B, 1, U, U] for windows with ``mask`` [B, U]."""
        return (mask[:, :, None] & mask[:, None, :]).triu()[:, None]


def entity_cells(entities: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Row, type, start and last unit [N] of each entity in ``batch["entities"]`` [B, E, 3], as index tensors."""
    rows, slots = (entities[..., 2] >= 0).nonzero(as_tuple=True)  # [N]
    starts, ends, types = entities[rows, slots].unbind(-1)  # [N]
    return rows, types, starts, ends - 1


def class_products(starts: Tensor, ends: Tensor) -> Tensor:
    """Dot products [B, K, U, U] of ``starts`` and ``ends`` [B, U, K, D]; either may have K = 1 for all classes."""
    return torch.matmul(starts.transpose(1, 2), ends.permute(0, 2, 3, 1))  # [B, K, U, D] @ [B, K, D, U]
