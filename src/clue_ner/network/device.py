"""The devices that torch has here."""

import torch

from clue_ner.common.errors import DeviceError
from clue_ner.core.device import AUTO, CPU, cuda_number


def kind() -> str:
    """The best kind of device: ``cuda``, else ``mps`` (a Mac's GPU; not tested here), else ``cpu``."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else CPU


def find(name: str) -> torch.device:
    """The device that ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps`` names; DeviceError if it is not here."""
    if name == AUTO:
        name = kind()
    if name.startswith("cuda"):
        _check_cuda(name)
        return torch.device("cuda", cuda_number(name))
    if name == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("device mps: torch finds no GPU of a Mac with Apple silicon; take device cpu")
    return torch.device(name)


def prepare(device: torch.device) -> None:
    """Set for this process what makes torch faster on ``device``.

    With CUDA the attention of cuDNN is off: it makes a plan for each shape of a batch, and sentences have many shapes.
    """
    if device.type == "cuda":
        torch.backends.cuda.enable_cudnn_sdp(False)


def described(device: torch.device) -> str:
    """The device for a record: a card with its name."""
    return f"{device}, {torch.cuda.get_device_name(device)}" if device.type == "cuda" else str(device)


def has_bf16() -> bool:
    """Whether the best kind of device multiplies bf16 matrices natively."""
    device = kind()
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "mps":
        return False  # newer ones do, but this is not tested
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def _check_cuda(name: str) -> None:
    if not torch.cuda.is_available():
        if torch.version.cuda is None:
            reason = f"torch {torch.__version__} is a build without CUDA; install one with it (README.md, which torch)"
        else:
            reason = f"torch {torch.__version__} finds no card; `nvidia-smi` shows cards and their driver"
        raise DeviceError(f"device {name}: {reason}, or take device cpu")
    if cuda_number(name) >= (count := torch.cuda.device_count()):
        raise DeviceError(f"device {name}: found cuda:0 to cuda:{count - 1}; name one of these, or cuda")
