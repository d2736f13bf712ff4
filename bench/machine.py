"""A description of the machine, and its peak speed of matrix products, with which trainings are compared."""

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import torch

from clue_ner.network.device import has_bf16

VERSIONS = ("torch", "transformers", "accelerate", "tokenizers", "onnxruntime", "dvc")
SQUARE = {"cpu": 2048, "cuda": 8192}
"""Rows and columns of the big matrices that the peak is measured with."""
WORK = {"cpu": 2e10, "cuda": 2e12}
"""Floating-point operations that are timed together, so that the start-up cost is negligible."""


def describe() -> dict[str, Any]:
    """CPU, cores, memory, number formats and versions; no host or user name."""
    cuda = torch.cuda.is_available()
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gb": psutil.virtual_memory().total / 1e9,
        "gpu": torch.cuda.get_device_name() if cuda else None,
        "native_bf16": has_bf16(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in VERSIONS}},
    }


def peaks(tokens: int, hidden: int, intermediate: int, seconds: float = 1.0) -> dict[str, dict[str, Any]]:
    """Measured FLOP/s of matrix products in each format that the device computes natively.

    ``square`` is of big square matrices; ``shapes`` are those of an encoder layer over ``tokens`` rows, and ``layer``
    is what they come to together: four H × H, one H × I and one I × H.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    formats = {"float32": torch.float32, "bf16": torch.bfloat16}
    measured: dict[str, dict[str, Any]] = {}
    for name, dtype in formats.items():
        if name == "bf16" and not has_bf16():
            continue
        side = SQUARE[device]
        rates = {
            (k, n): matmul_rate(tokens, k, n, dtype, device, seconds)
            for k, n in ((hidden, hidden), (hidden, intermediate), (intermediate, hidden))
        }
        times = {(hidden, hidden): 4, (hidden, intermediate): 1, (intermediate, hidden): 1}
        work = {shape: times[shape] * 2 * tokens * shape[0] * shape[1] for shape in times}
        measured[name] = {
            "square": matmul_rate(side, side, side, dtype, device, seconds),
            "shapes": {f"{tokens} × {k} × {n}": rate for (k, n), rate in rates.items()},
            "layer": sum(work.values()) / sum(work[shape] / rates[shape] for shape in times),
        }
    return measured


def higher(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The element-wise maximum of two measurements of the peaks, because other load can only lower them."""
    return {
        key: higher(value, other[key]) if isinstance(value, dict) else max(value, other[key])
        for key, value in one.items()
    }


def matmul_rate(m: int, k: int, n: int, dtype: torch.dtype, device: str, seconds: float) -> float:
    """FLOP/s of [m, k] × [k, n], the best of what fits into ``seconds`` and at least three tries."""
    left, right = (torch.randn(shape, device=device).to(dtype) for shape in ((m, k), (k, n)))
    out = torch.empty((m, n), dtype=dtype, device=device)
    flops = 2 * m * k * n
    repeats = max(1, round(WORK[device] / flops))
    best, tries, deadline = float("inf"), 0, time.perf_counter() + seconds
    while tries < 3 or time.perf_counter() < deadline:
        started = clock()
        for _ in range(repeats):
            torch.mm(left, right, out=out)
        best, tries = min(best, clock() - started), tries + 1
    return repeats * flops / best


def clock() -> float:
    """Seconds, once the GPU, if there is one, has done all that it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
