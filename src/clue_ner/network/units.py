"""The units of ``characters_over_pieces``: a state for each character, computed from the state of its word piece.

Letters: B batch, U units, E embedding size, H hidden size, C context size.
"""

import torch
from torch import Tensor, nn

from clue_ner.alignment.windows import MAX_PLACE


class CharacterContext(nn.Module):
    """Character states from piece states: sum with embeddings, layer norm, dropout, BiLSTM with a residual connection.

    The embeddings are the character's own (from the encoder), that of its place in the piece, and that of the piece's
    length minus one.
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
        """The states [B, U, H] of the characters.

        - ``states`` [B, U, H]: of each character's piece
        - ``embedded`` [B, U, E]: the characters' embeddings
        - ``places``, ``lengths`` [B, U]: place in the piece, and the piece's length minus one, at most MAX_PLACE
        - ``mask`` [B, U], bool: true for characters, which come first
        """
        units: Tensor = self.dropout(
            self.norm(states + self.widen(embedded) + self.places(places) + self.lengths(lengths))
        )  # [B, U, H]
        return units if self.context is None else units + self.context(units, mask)  # [B, U, H]


class BiLSTM(nn.Module):
    """Two LSTMs; the second reads each sequence reversed within its own length, so padding has no influence."""

    def __init__(self, size: int, hidden: int) -> None:
        super().__init__()
        self.forwards = nn.LSTM(size, hidden, batch_first=True)
        self.backwards = nn.LSTM(size, hidden, batch_first=True)
        self.project = nn.Linear(2 * hidden, size)

    def forward(self, units: Tensor, mask: Tensor) -> Tensor:
        """Outputs [B, U, H] for ``units`` [B, U, H] with ``mask`` [B, U]: true for units, which come first."""
        positions = torch.arange(units.shape[1], device=units.device)
        mirrored = mask.sum(-1, keepdim=True) - 1 - positions  # [B, U]
        order = torch.where(mirrored >= 0, mirrored, positions)[..., None]  # [B, U, 1]
        ahead, _ = self.forwards(units)  # [B, U, C]
        back, _ = self.backwards(units.gather(1, order.expand_as(units)))  # [B, U, C], in reversed order
        back = back.gather(1, order.expand_as(back))  # [B, U, C]
        projected: Tensor = self.project(torch.cat([ahead, back], dim=-1))  # [B, U, H]
        return projected
