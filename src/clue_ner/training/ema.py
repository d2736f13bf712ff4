"""Exponential moving average (EMA) of the weights, scored and saved instead of them (Tarvainen and Valpola 2017)."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from transformers import TrainerCallback


class ExponentialMovingAverage(TrainerCallback):  # type: ignore[misc]
    """After step t of training, average = d × average + (1 − d) × weights, with d = min(decay, (1 + t) / (10 + t)).

    It starts with the initial weights; because d rises (as in TensorFlow), their influence soon vanishes.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.weights = {name: p.detach().clone() for name, p in self.parameters.items()}
        """by the names of the trainable parameters"""

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Set the average to ``weights``, from a checkpoint."""
        for name, value in self.weights.items():
            value.copy_(weights[name])

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Update the average with the weights after the optimizer step."""
        step = state.global_step
        decay = min(self.decay, (1 + step) / (10 + step))
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        average(list(self.weights.values()), list(self.parameters.values()), step)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Put the average into the model until the block ends."""
        weights = {name: p.detach().clone() for name, p in self.parameters.items()}
        self._fill(self.weights)
        try:
            yield
        finally:
            self._fill(weights)

    @torch.no_grad()
    def _fill(self, weights: Mapping[str, Tensor]) -> None:
        for name, parameter in self.parameters.items():
            parameter.copy_(weights[name])
