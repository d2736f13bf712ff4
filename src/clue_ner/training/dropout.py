"""Dropout whose random numbers are bytes: on a CPU, drawing a float for each element costs more than the rest."""

import torch
from torch import Tensor, nn

LEVELS = 256


class ByteDropout(nn.Dropout):
    """``nn.Dropout`` (Srivastava et al. 2014) with ``p`` rounded to 1/256; what is kept is scaled to the exact mean.

    Eight elements share one 64-bit draw from PyTorch's default generator, so a seed gives the same masks with any
    number of threads.
    """

    def forward(self, input: Tensor) -> Tensor:
        """``input`` of any shape, each element zero with probability ``p`` while training."""
        dropped = round(self.p * LEVELS)
        if not self.training or not dropped:
            return input
        if dropped == LEVELS:
            return torch.zeros_like(input)
        drawn = torch.empty(-(-input.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        bytes_ = drawn.view(torch.uint8)[: input.numel()].view(input.shape)
        return input * (bytes_ >= dropped).to(input.dtype).mul_(LEVELS / (LEVELS - dropped))


def use_bytes(model: nn.Module) -> None:
    """Put a ``ByteDropout`` in the place of every ``nn.Dropout`` of ``model``."""
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, ByteDropout(child.p).train(child.training))
