"""In what number format to compute, chosen by what the device does natively."""

import torch


def use_bf16(wanted: str) -> bool:
    """Whether to train under bf16 autocast: for ``auto``, only where the device multiplies bf16 natively.

    A processor without AMX or AVX-512 BF16 emulates it, a hundred times slower than float32.
    """
    if wanted != "auto":
        return wanted == "bf16"
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def device_name(wanted: str) -> str:
    """The device and the number format that training computes with, for a person to read."""
    form = "bf16" if use_bf16(wanted) else "float32"
    if torch.cuda.is_available():
        return f"cuda, {torch.cuda.get_device_name()}, {form}"
    return f"cpu, {torch.get_num_threads()} threads, {form}"
