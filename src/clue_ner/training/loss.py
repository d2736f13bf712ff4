"""The training loss: the head's loss, distillation, R-Drop."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from clue_ner.alignment.windows import INPUTS
from clue_ner.core.params import TrainParams
from clue_ner.network.heads import EntityHead

TEACHER_LOGITS = "teacher_logits"
"""The key of the teacher's logits in a batch."""


class TrainingLoss:
    """The head's loss on gold labels, plus distillation from a teacher, plus R-Drop.

    - Distillation has the weight ``teacher_weight``, and the gold loss 1 - ``teacher_weight``. It is the divergence of
      the softened distributions, times the square of the temperature, so that the size of its gradients does not depend
      on the temperature (Hinton et al. 2015, arXiv 1503.02531).
    - R-Drop (Liang et al. 2021, arXiv 2106.14448): the batch is concatenated with itself, both halves get different
      dropout masks, and ``r_drop`` times the mean of the divergences in both directions is added.

    Letters: B batch. The shapes of the logits depend on the head; their axis 0 is B, or 2 B with R-Drop.
    """

    def __init__(self, head: EntityHead, params: TrainParams) -> None:
        self.head, self.params = head, params

    def __call__(self, model: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The loss of ``model`` on ``batch``, a scalar, and its logits."""
        if self.params.r_drop:
            batch = {name: torch.cat([values, values]) for name, values in batch.items()}  # [2 B, …] each
        logits = model(**{name: batch[name] for name in INPUTS})  # [B or 2 B, …]
        loss = self.head.loss(logits, batch)  # scalar
        if TEACHER_LOGITS in batch:
            temperature, weight = self.params.temperature, self.params.teacher_weight
            soft = self.head.divergence(logits, batch[TEACHER_LOGITS], batch["unit_mask"], temperature) * temperature**2
            loss = (1 - weight) * loss + weight * soft
        if self.params.r_drop:
            loss = loss + self.params.r_drop * self._r_drop(logits, batch["unit_mask"])
        return loss, logits

    def _r_drop(self, logits: Tensor, mask: Tensor) -> Tensor:
        """The mean of the divergences in both directions between the two halves of ``logits``, a scalar."""
        one, other = logits.chunk(2)  # [B, …] each
        mask = mask.chunk(2)[0]  # [B, U]
        return (self.head.divergence(one, other, mask) + self.head.divergence(other, one, mask)) / 2
