"""Dropout from random bytes: on a CPU, drawing one float for each element takes longer than the rest of dropout."""

import torch
from torch import Tensor, nn

LEVELS = 256


class ByteDropout(nn.Dropout):
    """``nn.Dropout`` (Srivastava et al. 2014) with ``p`` rounded to 1/256; the scale makes the mean exact.

    Eight elements share one 64-bit draw from PyTorch's default generator, so a seed gives the same masks with any
    number of threads.
    """

    def forward(self, input: Tensor) -> Tensor:
        """``input`` of any shape; in training mode each element is set to zero with probability ``p``."""
        dropped = round(self.p * LEVELS)
        if not self.training or not dropped:
            return input
        if dropped == LEVELS:
            return torch.zeros_like(input)
        drawn = torch.empty(-(-input.numel() // 8), dtype=torch.int64).random_(-(2**63), None)  # [elements / 8]
        bytes_ = drawn.view(torch.uint8)[: input.numel()].view(input.shape)  # uint8, the shape of input
        return input * (bytes_ >= dropped).to(input.dtype).mul_(LEVELS / (LEVELS - dropped))


def use_bytes(model: nn.Module) -> None:
    """Replace every ``nn.Dropout`` in ``model`` by a ``ByteDropout``."""
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, ByteDropout(child.p).train(child.training))
