"""The training loss: the head's loss, distillation, R-Drop."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from clue_ner.alignment.windows import INPUTS
from clue_ner.core.params import TrainParams
from clue_ner.network.heads import EntityHead

TEACHER_LOGITS = "teacher_logits"
"""The key under which a batch has its teacher's logits."""


class TrainingLoss:
    """The loss of ``head`` on gold, a teacher's labels, and the divergence of two dropout passes.

    The teacher's part has the weight ``teacher_weight`` and gold the rest of 1. It is the divergence of softened
    distributions, times the square of the temperature so that its gradients keep their size (Hinton et al. 2015, arXiv
    1503.02531).
    With ``r_drop`` (Liang et al. 2021, arXiv 2106.14448) the batch runs twice side by side, each with its own dropout,
    and the mean of the divergences in both directions is added ``r_drop`` times.
    """

    def __init__(self, head: EntityHead, params: TrainParams) -> None:
        self.head, self.params = head, params

    def __call__(self, model: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The loss of ``model``, a scalar, and its logits of ``batch``, or of two of it."""
        if self.params.r_drop:
            batch = {name: torch.cat([values, values]) for name, values in batch.items()}
        logits = model(**{name: batch[name] for name in INPUTS})
        loss = self.head.loss(logits, batch)
        if TEACHER_LOGITS in batch:
            temperature, weight = self.params.temperature, self.params.teacher_weight
            soft = self.head.divergence(logits, batch[TEACHER_LOGITS], batch["unit_mask"], temperature) * temperature**2
            loss = (1 - weight) * loss + weight * soft
        if self.params.r_drop:
            loss = loss + self.params.r_drop * self._r_drop(logits, batch["unit_mask"])
        return loss, logits

    def _r_drop(self, logits: Tensor, mask: Tensor) -> Tensor:
        """The mean of the divergences in both directions between the two halves of ``logits``."""
        one, other = logits.chunk(2)
        mask = mask.chunk(2)[0]
        return (self.head.divergence(one, other, mask) + self.head.divergence(other, one, mask)) / 2
