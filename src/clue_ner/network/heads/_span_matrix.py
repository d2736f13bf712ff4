"""What heads share that score every span: a matrix of starts by ends. Letters: B batch, U units, E entities, K classes.

A span is a cell [start, last unit], both inclusive; the cells that count have start <= last and are inside the window.
"""

import torch
from torch import Tensor

from clue_ner.network.heads._base import EntityHead


class SpanMatrixHead(EntityHead):
    """A head whose logits are [B, K, U, U]."""

    def valid_mask(self, mask: Tensor) -> Tensor:
        """The cells [B, 1, U, U] that are spans of windows with ``mask`` [B, U]."""
        return (mask[:, :, None] & mask[:, None, :]).triu()[:, None]


def entity_cells(entities: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Row, type, start and last unit of each entity in ``batch["entities"]`` [B, E, 3], as index tensors."""
    rows, slots = (entities[..., 2] >= 0).nonzero(as_tuple=True)
    starts, ends, types = entities[rows, slots].unbind(-1)
    return rows, types, starts, ends - 1


def class_products(starts: Tensor, ends: Tensor) -> Tensor:
    """Dot products [B, K, U, U] of ``starts`` and ``ends`` [B, U, K, D], or K = 1 of either for all."""
    return torch.matmul(starts.transpose(1, 2), ends.permute(0, 2, 3, 1))
