"""GlobalPointer (Su et al. 2022, arXiv 2208.03054): every span of units gets a score for each type.

A type's score of a span is the dot product of its start's query and its end's key, both turned by their positions
(RoPE, Su et al. 2021), so that it depends on the distance between them. With ``train.efficient`` all types share one
query and key and differ by what they add for the start and for the end: fewer parameters. Entities may overlap and
nest in any way.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from clue_ner.network.heads import _span_matrix
from clue_ner.network.heads._base import Decoded, EntityHead, HeadSpec

READS_TAGS = False
RARE = 6.0
"""How far below 0 scores begin: one span in hundreds is an entity, and training need not find that out."""
NOWHERE = -1e12
"""The score of what does not count; finite, for the gradient of logsumexp over nothing else is not."""


class Head(EntityHead):
    """Queries and keys of size ``head_size`` (D), for each type or, if efficient, for all of them."""

    unit_axes = (2, 3)

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        kinds, size = len(spec.types), spec.head_size
        self.project = nn.Linear(spec.size, 2 * size * (1 if spec.efficient else kinds))
        self.bias = nn.Linear(2 * size, 2 * kinds) if spec.efficient else None
        with torch.no_grad():  # the slower pairs hardly turn within a sentence: opposite biases make every score -RARE
            slow = [i + half for half in (0, size // 2) for i in range(size // 4, size // 2)]
            biases = self.project.bias.view(-1, 2, size)
            biases[:, 0, slow] += (RARE * size**0.5 / len(slow)) ** 0.5
            biases[:, 1, slow] -= (RARE * size**0.5 / len(slow)) ** 0.5

    def forward(self, states: Tensor) -> Tensor:
        """Logits [B, T, U, U], starts by last units, of states [B, U, H]."""
        size = self.spec.head_size
        projected = self.project(self.dropout(states)).reshape(*states.shape[:2], -1, 2 * size)
        # an ONNX trace takes the number of units for a constant if it is that of projected
        angles = _angles(states.shape[1], size, states.device)
        queries, keys = (_turned(part, angles) for part in projected.split(size, dim=-1))
        logits: Tensor = _span_matrix.class_products(queries, keys) / size**0.5
        if self.bias is not None:
            starts, lasts = (self.bias(projected.squeeze(2)) / 2).transpose(1, 2).chunk(2, dim=1)
            logits = logits + starts[..., None] + lasts[..., None, :]
        return logits

    def loss(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Su's loss for few positives among many: every entity scores above 0, every other span below.

        log(1 + sum exp(other)) + log(1 + sum exp(-entity)), a mean over windows and types; a weighed type's counts so
        much.
        """
        scores = logits.float()
        gold = torch.zeros_like(scores, dtype=torch.bool)
        gold[_span_matrix.entity_cells(batch["entities"])] = True
        other = self.counted(batch["unit_mask"]) & ~gold
        below = scores.masked_fill(~other, NOWHERE).flatten(2).logsumexp(-1)
        above = (-scores).masked_fill(~gold, NOWHERE).flatten(2).logsumexp(-1)
        losses, weights = softplus(below) + softplus(above), self.weights_of(self.spec.types, scores)
        return (losses if weights is None else losses * weights).mean()

    def terms(self, mask: Tensor) -> int:
        """The windows, as often as there are types."""
        return len(mask) * len(self.spec.types)

    @torch.no_grad()
    def decode(self, logits: Tensor, mask: Tensor) -> list[Decoded]:
        """Every span with a score above 0, in order of start and end; the sigmoid is the entity's score."""
        above = ((logits > 0) & self.counted(mask)).permute(0, 2, 3, 1)
        rows, starts, lasts, types = above.nonzero(as_tuple=True)
        scores = logits[rows, types, starts, lasts].float().sigmoid()
        return self.decoded(len(mask), rows, starts, lasts, types, scores)

    def counted(self, mask: Tensor) -> Tensor:
        """The cells [B, 1, U, U] that are spans of windows with ``mask`` [B, U]."""
        return _span_matrix.counted(mask)


def _angles(units: int, size: int, device: torch.device) -> Tensor:
    """The angles [U, 1, D / 2] that RoPE turns pairs of dimensions by, in float32."""
    speeds = 10000.0 ** (-torch.arange(0, size, 2, device=device) / size)
    return (torch.arange(units, device=device)[:, None] * speeds)[:, None]


def _turned(vectors: Tensor, angles: Tensor) -> Tensor:
    """Vectors [B, U, T, D], dimension i turned together with i + D / 2."""
    first, second = vectors.chunk(2, dim=-1)
    cosines, sines = angles.cos(), angles.sin()
    return torch.cat([first * cosines - second * sines, first * sines + second * cosines], dim=-1).to(vectors.dtype)
