"""ONNX Runtime with a graph from the stage export, without torch."""

import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Any

from clue_ner.alignment.batch import Batch
from clue_ner.common.errors import ArtifactError, DeviceError
from clue_ner.common.files import ADVICE, verified_meanwhile
from clue_ner.core.device import AUTO, CPU, cuda_number
from clue_ner.tagger.decoding._base import Floats
from clue_ner.tagger.memory import Limit, is_full
from clue_ner.tagger.model_files import GRAPHS, WEIGHTS, find_graph
from clue_ner.tagger.tagger import TOKENS

SLOW = ["SkipLayerNormFusion"]
"""Fusions that are switched off: on a CPU this one takes several times as long as the operators that it replaces."""
CUDA, CPU_PROVIDER = "CUDAExecutionProvider", "CPUExecutionProvider"
PADDING = 20
"""Padding tokens on a CPU that cost as much as a batch: measured with encoders of 21 M weights, int8 and float32."""
CUDA_TOKENS = 2**14
"""Tokens of a batch on a GPU: with an encoder of BERT-base's size it needs about 2 GB."""

logger = logging.getLogger(__name__)


class OnnxRuntime:
    """Computes logits with the graph in ``path``, on ``threads`` CPU threads or a GPU."""

    def __init__(self, path: Path, threads: int | None = None, device: str = CPU) -> None:
        """``auto`` is CUDA if this ONNX Runtime has it and can use it, else the CPU.

        Raises ArtifactError if the file does not exist or is not a graph, DeviceError if the device cannot be used.
        """
        takes_cuda = _takes_cuda(device)
        if not path.is_file():
            raise ArtifactError(f"{path}: no such file; set export.onnx to true and run `dvc repro export`")
        count = threads or default_threads()
        session, reason = _on_card(path, count, cuda_number(device)) if takes_cuda else (None, None)
        self.device = self.device_name = CPU if session is None else f"cuda:{cuda_number(device)}"
        self._session = session or _on_cpu(path, count)
        if reason and device != AUTO:
            raise DeviceError(
                f"device {device}: ONNX Runtime cannot use it ({reason}); `nvidia-smi` shows the cards and their "
                "driver; name another device, or take runtime torch, or device cpu"
            )
        if reason:
            logger.warning("ONNX Runtime has CUDA but cannot use it (%s), so the CPU computes", reason)
        self._inputs = [column.name for column in self._session.get_inputs()]
        self._limit = Limit(TOKENS if self.device == CPU else CUDA_TOKENS)
        self.batch_padding = PADDING if self.device == CPU else inf

    @property
    def batch_tokens(self) -> float:
        """On a CPU so few that the states stay in its cache."""
        return self._limit.tokens

    def __call__(self, batch: Batch) -> Floats:
        """The head's logits. A batch that does not fit a GPU's memory is computed in halves.

        Raises DeviceError if a single row does not fit, or the GPU fails.
        """
        return self._limit.compute(batch, self.device, self._logits)

    def _logits(self, batch: Batch) -> Floats | None:
        try:
            (logits,) = self._session.run(None, {name: batch[name] for name in self._inputs})
        except Exception as error:  # ONNX Runtime's errors have no common class
            if is_full(error):
                return None
            if self.device == CPU:
                raise
            raise DeviceError(
                f"device {self.device}: ONNX Runtime failed ({_first_line(error)}); name another device, or take "
                "runtime torch, or device cpu"
            ) from None
        found: Floats = logits
        return found


def has_cuda() -> bool:
    """Whether the installed ONNX Runtime can compute on NVIDIA's cards."""
    import onnxruntime

    return CUDA in onnxruntime.get_available_providers()


def _takes_cuda(device: str) -> bool:
    """Whether to compute with CUDA; DeviceError if this ONNX Runtime cannot compute on the device."""
    if device in (AUTO, CPU):
        return device == AUTO and has_cuda()
    if device == "mps":
        raise DeviceError("device mps: runtime onnx computes on cpu and cuda; take runtime torch")
    if not has_cuda():
        raise DeviceError(
            f"device {device}: the installed onnxruntime has no CUDA; install onnxruntime-gpu in place of onnxruntime, "
            "or take runtime torch, or device cpu"
        )
    return True


def _on_card(path: Path, threads: int, number: int) -> tuple[Any, str | None]:
    """A session on an NVIDIA card and None, or None and the reason why there is none."""
    import onnxruntime

    with contextlib.redirect_stdout(sys.stderr):  # where it says which library it cannot load
        onnxruntime.preload_dlls()  # those of NVIDIA's Python packages, which no loader's path has
    try:
        session = _session(path, threads, [(CUDA, {"device_id": number}), CPU_PROVIDER])
    except Exception as error:  # ONNX Runtime's errors have no common class
        return None, _first_line(error)
    if session.get_providers()[0] == CUDA:
        return session, None
    return None, "its log above says why; often libraries of CUDA or cuDNN are missing"


def _on_cpu(path: Path, threads: int) -> Any:
    """A session on the CPU; raises ArtifactError if the file is not a graph."""
    try:
        return _session(path, threads, [CPU_PROVIDER])
    except Exception as error:  # ONNX Runtime's errors have no common class
        reason = _first_line(error)
        raise ArtifactError(f"{path}: not a usable ONNX graph ({reason}); run `dvc repro export`") from None


def _session(path: Path, threads: int, providers: Sequence[Any]) -> Any:
    """A session that does not go to another device when one fails, which it would say on standard output."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(path, options, providers=providers, disabled_optimizers=SLOW, enable_fallback=0)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def load_graph(model: Path, runtime: str, threads: int | None, device: str = CPU) -> OnnxRuntime:
    """The runtime with the graph of the model in the folder ``model``: see ``find_graph``.

    Raises ArtifactError if there is no graph, or its checksum is wrong, DeviceError as ``OnnxRuntime``.
    """
    path = find_graph(model, runtime)
    if path is None:
        there = [name for name in GRAPHS if find_graph(model, name)] + ["torch"] * (model / WEIGHTS).is_file()
        raise ArtifactError(
            f"{model}: no onnx/{GRAPHS[runtime]} in this model, which runtime {runtime} needs; it has files for: "
            f"{', '.join(there) or 'none'}; take one of these, or name models/export (with export.onnx: true "
            "`dvc repro export` writes it and registers int8, with export.register_onnx: true also onnx)"
        )
    with verified_meanwhile(path, f"in a repository {ADVICE}; elsewhere fetch it again"):
        return OnnxRuntime(path, threads, device)


def default_threads() -> int:
    """``OMP_NUM_THREADS``, or the cores that this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
