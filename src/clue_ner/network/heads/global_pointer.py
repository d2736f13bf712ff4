"""GlobalPointer (Su et al. 2022, arXiv 2208.03054): every span of units gets a score for each type.

The score of a span is the dot product of the query of its first unit and the key of its last unit. Both are rotated by
their positions (RoPE, Su et al. 2021), so the score depends on the distance between them. With ``train.efficient`` all
types share one query and key, and each type adds a bias for the start and one for the end: fewer parameters. Entities
may overlap and nest in any way.
"""

from collections.abc import Hashable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from clue_ner.network.heads._base import HeadSpec
from clue_ner.network.heads._span_matrix import SpanMatrixHead, class_products, entity_cells

RARE = 6.0
"""The initial scores are about -RARE, because only one span in hundreds is an entity."""
NOWHERE = -1e12
"""The score of masked cells; finite, because logsumexp over only infinities has no finite gradient."""


class Head(SpanMatrixHead):
    """Queries and keys of size ``head_size`` (D), for each type or, if efficient, for all of them."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        kinds, size = len(spec.types), spec.options["head_size"]
        self.project = nn.Linear(spec.size, 2 * size * (1 if spec.options["efficient"] else kinds))
        self.bias = nn.Linear(2 * size, 2 * kinds) if spec.options["efficient"] else None
        with torch.no_grad():  # slow pairs hardly rotate within a sentence: opposite biases make all scores -RARE
            slow = [i + half for half in (0, size // 2) for i in range(size // 4, size // 2)]
            biases = self.project.bias.view(-1, 2, size)
            biases[:, 0, slow] += (RARE * size**0.5 / len(slow)) ** 0.5
            biases[:, 1, slow] -= (RARE * size**0.5 / len(slow)) ** 0.5

    def forward(self, states: Tensor) -> Tensor:
        """Logits [B, K, U, U], first x last units, of states [B, U, H]."""
        size = self.spec.options["head_size"]
        projected = self.project(self.dropout(states)).reshape(*states.shape[:2], -1, 2 * size)  # [B, U, K or 1, 2 D]
        # an ONNX trace would make the number of units constant if it were taken from projected
        positions = torch.arange(states.shape[1], device=states.device)  # [U]
        angles = (positions[:, None] * inv_freq(size, states.device))[:, None]  # [U, 1, D / 2], float32
        queries, keys = (apply_rotary(part, angles) for part in projected.split(size, dim=-1))  # [B, U, K or 1, D]
        logits: Tensor = class_products(queries, keys) / size**0.5  # [B, K or 1, U, U]
        if self.bias is not None:
            starts, lasts = (self.bias(projected.squeeze(2)) / 2).transpose(1, 2).chunk(2, dim=1)  # [B, K, U]
            logits = logits + starts[..., None] + lasts[..., None, :]  # [B, K, U, U]
        return logits

    def rows(self) -> dict[str, tuple[Sequence[Hashable], ...]]:
        """The rows of each type's query, then of its key; if efficient, one for its start, then one for its end."""
        if self.bias is None:
            sizes = range(2 * self.spec.options["head_size"])
            projected = [(type_, dimension) for type_ in self.spec.types for dimension in sizes]
            return {"project.weight": (projected,), "project.bias": (projected,)}
        edges = [(edge, type_) for edge in ("start", "end") for type_ in self.spec.types]
        return {"bias.weight": (edges,), "bias.bias": (edges,)}

    def loss(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Su's multi-label loss for few positives: entities should score above 0, all other spans below.

        log(1 + sum exp(other spans)) + log(1 + sum exp(-entities)) for each window and type, times the type's weight;
        a mean over windows and types.
        """
        scores = logits.float()  # [B, K, U, U]
        gold = torch.zeros_like(scores, dtype=torch.bool)
        gold[entity_cells(batch["entities"])] = True
        other = self.valid_mask(batch["unit_mask"]) & ~gold  # [B, K, U, U]
        below = scores.masked_fill(~other, NOWHERE).flatten(2).logsumexp(-1)  # [B, K]
        above = (-scores).masked_fill(~gold, NOWHERE).flatten(2).logsumexp(-1)  # [B, K]
        losses, weights = softplus(below) + softplus(above), self.weights_of(self.spec.types, scores)
        return (losses if weights is None else losses * weights).mean()

    def terms(self, mask: Tensor) -> int:
        """The number of windows times the number of types."""
        return len(mask) * len(self.spec.types)


def inv_freq(size: int, device: torch.device) -> Tensor:
    """The rotation angles [D / 2] per unit of distance for the pairs of D = ``size`` dimensions."""
    frequencies: Tensor = 10000.0 ** (-torch.arange(0, size, 2, device=device) / size)
    return frequencies


def apply_rotary(vectors: Tensor, angles: Tensor) -> Tensor:
    """Rotate ``vectors`` [B, U, K, D] by ``angles`` [U, 1, D / 2]; dimension i is paired with i + D / 2."""
    first, second = vectors.chunk(2, dim=-1)  # [B, U, K, D / 2]
    cosines, sines = angles.cos(), angles.sin()  # [U, 1, D / 2]
    return torch.cat([first * cosines - second * sines, first * sines + second * cosines], dim=-1).to(vectors.dtype)
