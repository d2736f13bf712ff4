"""What every head promises. Letters: B batch, U units (characters or tokens), H hidden size, L labels."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from clue_ner.schemes import Scheme


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """All that a head is made from: the states' size H, the scheme, its label list, and dropout before the head."""

    size: int
    scheme: Scheme
    tags: tuple[str, ...]
    dropout: float


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a head reads from one window: its tag a unit, and how sure it is of each, 0 to 1."""

    tags: list[str]
    scores: list[float]


class TaggingHead(nn.Module, ABC):
    """States of units in, tags out."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.spec = spec
        self.dropout = nn.Dropout(spec.dropout)
        self.linear = nn.Linear(spec.size, len(spec.tags))

    def forward(self, states: Tensor) -> Tensor:
        """Logits [B, U, L] of states [B, U, H]."""
        logits: Tensor = self.linear(self.dropout(states))
        return logits

    @abstractmethod
    def loss(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """The mean loss, a scalar; ``batch`` has unit_mask [B, U] (bool) and labels [B, U]."""

    @abstractmethod
    def decode(self, logits: Tensor, mask: Tensor) -> list[Decoded]:
        """The tags of each window from logits [B, U, L]; ``mask`` [B, U] is true for units, which come first."""

    def transition_parameters(self) -> list[nn.Parameter]:
        """Parameters that learn at ``train.transition_lr_factor``."""
        return []
