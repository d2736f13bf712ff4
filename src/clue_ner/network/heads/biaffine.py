"""A biaffine classifier of every span (Yu et al. 2020, arXiv 2005.07150), after Dozat and Manning 2017.

Two layers compute a start vector and an end vector of each unit. A bilinear form of both scores each class of the
span: the types and "no entity". Entities may nest; a span has one type.
"""

from collections.abc import Hashable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu

from clue_ner.core.schemes import OUTSIDE
from clue_ner.network.heads._base import HeadSpec
from clue_ner.network.heads._span_matrix import SpanMatrixHead, class_products, entity_cells

RARE = 8.0
"""Added to the initial bias of "no entity", because only one span in hundreds is an entity (Lin et al. 2017)."""


class Head(SpanMatrixHead):
    """Starts and ends of size ``head_size`` (D); for each of 1 + K classes a D x D bilinear form and a linear form."""

    class_axis = 1

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        size, classes = spec.options["head_size"], len(spec.types) + 1
        self.start, self.end = nn.Linear(spec.size, size), nn.Linear(spec.size, size)
        self.form = nn.Linear(size, classes * size, bias=False)
        nn.init.normal_(self.form.weight, std=1 / size)
        self.start_bias, self.end_bias = nn.Linear(size, classes), nn.Linear(size, classes, bias=False)
        with torch.no_grad():
            self.start_bias.bias[0] += RARE

    def forward(self, states: Tensor) -> Tensor:
        """Logits [B, 1 + K, U, U], starts x last units, of states [B, U, H]; class 0 is "no entity"."""
        states = self.dropout(states)
        starts, ends = self.dropout(gelu(self.start(states))), self.dropout(gelu(self.end(states)))  # [B, U, D]
        formed = self.form(starts).reshape(*starts.shape[:2], -1, self.spec.options["head_size"])  # [B, U, 1 + K, D]
        logits = class_products(formed, ends[:, :, None])  # [B, 1 + K, U, U]
        of_start, of_end = self.start_bias(starts).transpose(1, 2), self.end_bias(ends).transpose(1, 2)  # [B, 1 + K, U]
        summed: Tensor = logits + of_start[..., None] + of_end[:, :, None]  # [B, 1 + K, U, U]
        return summed

    def rows(self) -> dict[str, tuple[Sequence[Hashable], ...]]:
        """A row for each class, in the form as many as an end has dimensions; None is the class of no entity."""
        classes = (None, *self.spec.types)
        formed = [(class_, dimension) for class_ in classes for dimension in range(self.spec.options["head_size"])]
        biases = dict.fromkeys(("start_bias.weight", "start_bias.bias", "end_bias.weight"), (classes,))
        return {"form.weight": (formed,), **biases}

    def loss(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Cross entropy, summed over all spans and divided by the number of units in the batch.

        If a span has two types, the one with the higher id is learned. The terms of spans with a weighted type are
        multiplied by its weight.
        """
        mask = batch["unit_mask"]
        wanted = torch.zeros(len(mask), *logits.shape[2:], dtype=torch.long, device=logits.device)  # [B, U, U]
        rows, types, starts, lasts = entity_cells(batch["entities"])  # [N]
        wanted.view(-1).scatter_reduce_(
            0, (rows * wanted.shape[1] + starts) * wanted.shape[1] + lasts, types + 1, reduce="amax"
        )
        spans = self.valid_mask(mask)[:, 0]  # [B, U, U]
        scores = logits.permute(0, 2, 3, 1)[spans].float()  # [spans, 1 + K]
        weights = self.weights_of((OUTSIDE, *self.spec.types), scores)
        return cross_entropy(scores, wanted[spans], weights, reduction="sum") / mask.sum()
