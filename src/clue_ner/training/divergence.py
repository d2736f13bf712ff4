"""Checks for infinite or NaN loss and weights: the training stops, and nothing of it is saved or registered."""

from typing import Any

import torch
from torch import Tensor, nn

from clue_ner.common.errors import TrainingError
from clue_ner.core.params import TrainParams


def check_loss(loss: Tensor, step: int, epoch: int, optimizer: Any, params: TrainParams) -> None:
    """Raise TrainingError if the ``loss`` of this ``step`` and ``epoch``, both from 1, is infinite or NaN."""
    if not torch.isfinite(loss):
        raise _error(f"the loss is {loss.item()}", step, epoch, optimizer, params)


def check_weights(model: nn.Module, step: int, epoch: int, optimizer: Any, params: TrainParams) -> None:
    """Raise TrainingError if after this ``step`` and ``epoch`` a trainable weight is infinite or NaN."""
    for name, weight in model.named_parameters():
        if weight.requires_grad and not torch.isfinite(weight).all():
            raise _error(f"weights of {name} are not finite", step, epoch, optimizer, params)


def _error(what: str, step: int, epoch: int, optimizer: Any, params: TrainParams) -> TrainingError:
    group = optimizer.param_groups[0]
    rate = params.lr * group["lr"] / group["initial_lr"]
    factors = f"train.lr is {params.lr:g}, train.head_lr_factor {params.head_lr_factor:g}"
    if params.head == "crf":
        factors += f", train.transition_lr_factor {params.transition_lr_factor:g}"
    return TrainingError(
        f"training stopped in step {step}, epoch {epoch} of {params.epochs}: {what}, at learning rate "
        f"{rate:g} ({factors}); lower these, or train.max_grad_norm ({params.max_grad_norm:g}). Nothing was saved"
    )
