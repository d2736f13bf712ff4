"""Names of the devices that compute a model, and whether there is a GPU; without torch and ONNX Runtime."""

import os
import re
from pathlib import Path

AUTO, CPU = "auto", "cpu"
FORM = "auto, cpu, cuda, cuda:N or mps"
NVIDIA = Path("/dev/nvidiactl")
"""The driver of NVIDIA's cards makes this file."""

_NAME = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


def is_name(name: object) -> bool:
    """Whether a device can have this name; it need not be here."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def check(name: str) -> str:
    """The name; raises ValueError for one that no device has."""
    if not is_name(name):
        raise ValueError(f"device {name!r}: wanted {FORM}")
    return name


def cuda_number(name: str) -> int:
    """The number of the card that ``cuda`` (the first one) or ``cuda:N`` names."""
    return int(name.partition(":")[2] or 0)


def unused_gpu(device: str) -> str | None:
    """A message if the CPU computes although this machine has an NVIDIA card that this process may use; else None."""
    if device != CPU or not NVIDIA.exists() or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return None
    return (
        "this machine has an NVIDIA GPU, but the CPU computes: the GPU needs runtime torch with a torch build for CUDA "
        "(README.md, which torch), or runtime onnx with the package onnxruntime-gpu in place of onnxruntime"
    )
