"""The device, and what ``auto`` in params.yaml means on it; the log and MLflow record the choice."""

import contextlib
import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from clue_ner.common.errors import ParamsError
from clue_ner.core.device import CPU, unused_gpu
from clue_ner.core.params import TrainParams
from clue_ner.network import trial
from clue_ner.network.device import described, has_bf16, kind, prepare
from clue_ner.network.encoder import embeddings_of, kinds_of
from clue_ner.training.dropout import use_bytes

logger = logging.getLogger(__name__)


def number_format(wanted: str, encoder: Any = None) -> str:
    """``bf16``, ``fp16`` or ``float32``: the number format of matrix products under autocast.

    ``auto`` is bf16 if the device multiplies it natively, else fp16 with CUDA, else float32. A CPU without AMX or
    AVX-512 BF16 only emulates bf16, a hundred times slower than float32. An ``encoder`` that does not work under
    autocast always gets float32. Raises ParamsError for a format that is not available.
    """
    formats = [*(["bf16"] if has_bf16() else []), *(["fp16"] if kind() == "cuda" else []), "float32"]
    if wanted not in ("auto", *formats):
        raise ParamsError(
            f"params.yaml: train.precision: {wanted}, which this device does not compute natively; "
            f"wanted auto or {' or '.join(formats)}"
        )
    chosen = formats[0] if wanted == "auto" else wanted
    if chosen == "float32" or encoder is None or autocasts(encoder):
        return chosen
    if wanted == "auto":
        return "float32"
    raise ParamsError(
        f"params.yaml: train.precision: {wanted}, which {encoder.config.model_type} does not support; "
        "wanted auto or float32"
    )


def autocasts(encoder: Any) -> bool:
    """Whether the encoder works under autocast in the way that ``suit`` sets it up."""
    hook = embeddings_of(encoder).register_forward_hook(_as_autocast)
    try:
        return trial.autocasts(encoder)
    finally:
        hook.remove()


def attention(wanted: str, kinds: Sequence[str]) -> str:
    """The attention implementation, one of the encoder's ``kinds``: ``sdpa`` or ``eager``.

    ``auto`` is sdpa on a GPU if available, and eager on a CPU, where it is faster for short sentences. Raises
    ParamsError for one that the encoder does not have.
    """
    if wanted == "auto":
        return "sdpa" if kind() != "cpu" and "sdpa" in kinds else "eager"
    if wanted not in kinds:
        raise ParamsError(
            f"params.yaml: train.attention: {wanted}, which the backbone's architecture does not have; "
            f"wanted auto or {' or '.join(kinds)}"
        )
    return wanted


def suit(model: nn.Module, encoder: Any) -> None:
    """Make training of ``model`` faster on this device.

    On a CPU dropout draws random bytes, and under bf16 autocast the states between the encoder's layers are bf16 as
    well. Layer norms still accumulate in float32; weights, their gradients and the loss are float32.
    """
    prepare(torch.device(kind()))
    if kind() != "cpu":
        return
    use_bytes(model)
    embeddings_of(encoder).register_forward_hook(_as_autocast)


def _as_autocast(module: nn.Module, inputs: Any, output: Any) -> Any:
    if isinstance(output, Tensor) and torch.is_autocast_enabled("cpu"):
        return output.to(torch.get_autocast_dtype("cpu"))
    return output


def slowness(params: TrainParams) -> str | None:
    """A message if training is slow on this device, with a shorter alternative; else None."""
    if (unused := unused_gpu(kind())) is not None:
        return unused
    if kind() != "cpu" or number_format(params.precision) != "float32" or params.precision != "auto":
        return None
    return (
        "this CPU does not multiply bf16 natively, so training takes about four times as long as on a CPU with AMX or "
        "AVX-512 BF16; `clue-ner recipe` lists shorter recipes"
    )


def describe(params: TrainParams, encoder: Any) -> str:
    """A readable description of the device, and of the choices for it and the ``encoder``."""
    device = described(torch.device(kind()))
    if device == CPU:
        device += f", {torch.get_num_threads()} threads"
    used = attention(params.attention, kinds_of(encoder))
    chosen = [device, number_format(params.precision, encoder), f"{used} attention"]
    if params.processes > 1:
        chosen.append(f"{params.processes} processes")
    return ", ".join(chosen)


@contextlib.contextmanager
def turn(home: Path) -> Iterator[None]:
    """Wait until no other training of the repository ``home`` uses this process's devices, and lock them.

    The devices are its GPUs, or else the CPU cores that it may use: trainings pinned to other cores run at the same
    time. The locks end with their process.
    """
    with contextlib.ExitStack() as stack:
        for name in _devices():
            (home / ".checkpoints").mkdir(parents=True, exist_ok=True)
            lock = FileLock(home / ".checkpoints" / f"{name}.lock")
            try:
                stack.enter_context(lock.acquire(timeout=0))
            except Timeout:
                logger.info("another training is on this device (%s); waiting for its end", name)
                stack.enter_context(lock.acquire())
        yield


def _devices() -> list[str]:
    """The names of the locks, sorted, so that two processes cannot deadlock."""
    if kind() == "mps":
        return ["mps"]
    if kind() == "cuda":
        return sorted(f"cuda-{torch.cuda.get_device_properties(i).uuid}" for i in range(torch.cuda.device_count()))
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return [f"cpu-{hashlib.sha256(str(cores).encode()).hexdigest()[:8]}"]
