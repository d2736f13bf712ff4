"""Adversarial training on word embeddings: the fast gradient method (Miyato et al. 2017, arXiv 1605.07725).

After the backward pass of a batch, the outputs of its embeddings are shifted by ``epsilon`` along their gradient, in
which direction the loss rises fastest, and the forward and backward pass runs again. The embedding table itself does
not change, so it may be frozen. Letters: B batch, T tokens or units, E embedding size.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn


class FastGradientMethod:
    """Records the gradients of the outputs of ``embeddings`` for a batch, and then shifts the outputs along them."""

    def __init__(self, embeddings: nn.Module, epsilon: float) -> None:
        self.embeddings, self.epsilon = embeddings, epsilon
        self._zeros: list[Tensor] = []
        """zeros added to each output [B, T, E] of the embeddings; their gradient is that of the output"""

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Record the gradients of the embeddings' outputs in the block, which is one forward and backward pass."""
        self._zeros = []

        def add_zeros(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            self._zeros.append(torch.zeros_like(output, requires_grad=True))
            return output + self._zeros[-1]

        with self._hooked(add_zeros):
            yield

    @contextlib.contextmanager
    def perturbed(self) -> Iterator[None]:
        """Perturb the embeddings' outputs in the block, which is one pass of the recorded batch."""
        steps = iter(self.perturbations())
        with self._hooked(lambda module, inputs, output: output + next(steps)):
            yield

    def perturbations(self) -> list[Tensor]:
        """The perturbation of each recorded output [B, T, E]; its norm over all outputs of a sentence is epsilon."""
        gradients = [torch.zeros_like(zeros) if zeros.grad is None else zeros.grad for zeros in self._zeros]
        squares = [gradient.flatten(1).float().square().sum(1) for gradient in gradients]  # [B] each
        norm = torch.stack(squares).sum(0).sqrt()  # [B]
        scale = self.epsilon / norm.clamp_min(torch.finfo(torch.float32).tiny)  # [B]
        return [gradient * scale[:, None, None].to(gradient.dtype) for gradient in gradients]

    @contextlib.contextmanager
    def _hooked(self, hook: Callable[[nn.Module, Any, Tensor], Tensor]) -> Iterator[None]:
        handle = self.embeddings.register_forward_hook(hook)
        try:
            yield
        finally:
            handle.remove()
