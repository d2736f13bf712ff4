"""Units of ``characters_over_pieces``: a state for every character, made from the state of its piece.

Letters: B batch, U units, E embedding size, H hidden size, C context size.
"""

import torch
from torch import Tensor, nn

from clue_ner.alignment.windows import MAX_PLACE


class CharacterContext(nn.Module):
    """Characters over pieces: a piece's state at each of its characters, made different and read in order.

    Adds the character's own embedding, its place in the piece and the piece's length, then a BiLSTM with a residual.
    """

    def __init__(self, size: int, embedded: int, context_size: int, dropout: float) -> None:
        super().__init__()
        self.widen = nn.Linear(embedded, size) if embedded != size else nn.Identity()  # ELECTRA's are narrower
        self.places = nn.Embedding(MAX_PLACE + 1, size)
        self.lengths = nn.Embedding(MAX_PLACE + 1, size)
        for table in (self.places, self.lengths):
            nn.init.normal_(table.weight, std=0.02)
        self.norm = nn.LayerNorm(size)
        self.dropout = nn.Dropout(dropout)
        self.context = BiLSTM(size, context_size) if context_size else None

    def forward(self, states: Tensor, embedded: Tensor, places: Tensor, lengths: Tensor, mask: Tensor) -> Tensor:
        """States [B, U, H] of the units' pieces and embeddings [B, U, E] of their characters to states [B, U, H]."""
        units: Tensor = self.dropout(
            self.norm(states + self.widen(embedded) + self.places(places) + self.lengths(lengths))
        )
        return units if self.context is None else units + self.context(units, mask)


class BiLSTM(nn.Module):
    """Two LSTMs, one over each sequence reversed within its own length, so padding changes nothing."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.forwards = nn.LSTM(size, hidden, batch_first=True)
        self.backwards = nn.LSTM(size, hidden, batch_first=True)
        self.project = nn.Linear(2 * hidden, size)

    def forward(self, units: Tensor, mask: Tensor) -> Tensor:
        """Units [B, U, H] with ``mask`` [B, U], true first, to [B, U, H]."""
        positions = torch.arange(units.shape[1], device=units.device)
        mirrored = mask.sum(-1, keepdim=True) - 1 - positions
        order = torch.where(mirrored >= 0, mirrored, positions)[..., None]
        ahead, _ = self.forwards(units)
        back, _ = self.backwards(units.gather(1, order.expand_as(units)))
        back = back.gather(1, order.expand_as(back))
        projected: Tensor = self.project(torch.cat([ahead, back], dim=-1))
        return projected
