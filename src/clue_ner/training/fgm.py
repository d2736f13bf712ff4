"""Adversarial training on word embeddings: the fast gradient method (Miyato et al. 2017, arXiv 1605.07725).

After the gradient of a batch, its embeddings are moved by ``epsilon`` in the direction in which the loss rises fastest,
one length for each sentence, and the loss is taken once more. What is moved is what the embeddings give out: the
table itself is never touched, so it may be frozen.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn


class Adversary:
    """Watches what ``embeddings`` give out for a batch, and then moves it."""

    def __init__(self, embeddings: nn.Module, epsilon: float) -> None:
        self.embeddings, self.epsilon = embeddings, epsilon
        self._zeros: list[Tensor] = []
        """what was added to each output of the embeddings, for the sake of its gradient"""

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Note the gradients of what the embeddings give out in the block, which is one forward and backward pass."""
        self._zeros = []

        def add_zeros(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            self._zeros.append(torch.zeros_like(output, requires_grad=True))
            return output + self._zeros[-1]

        with self._hooked(add_zeros):
            yield

    @contextlib.contextmanager
    def attacking(self) -> Iterator[None]:
        """Move the embeddings in the block, which is one pass of the batch that was watched."""
        steps = iter(self.steps())
        with self._hooked(lambda module, inputs, output: output + next(steps)):
            yield

    def steps(self) -> list[Tensor]:
        """How each output [B, T, E] that was watched is moved; the norm of all that is a sentence's is epsilon."""
        gradients = [torch.zeros_like(zeros) if zeros.grad is None else zeros.grad for zeros in self._zeros]
        norm = torch.stack([gradient.flatten(1).float().square().sum(1) for gradient in gradients]).sum(0).sqrt()
        scale = self.epsilon / norm.clamp_min(torch.finfo(torch.float32).tiny)
        return [gradient * scale[:, None, None].to(gradient.dtype) for gradient in gradients]

    @contextlib.contextmanager
    def _hooked(self, hook: Callable[[nn.Module, Any, Tensor], Tensor]) -> Iterator[None]:
        handle = self.embeddings.register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()
