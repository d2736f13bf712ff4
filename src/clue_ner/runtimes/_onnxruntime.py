"""ONNX Runtime with a graph from the stage export, without torch."""

import logging
import os
from pathlib import Path
from typing import Any

from clue_ner.alignment.batch import Batch
from clue_ner.common.errors import ArtifactError, DeviceError
from clue_ner.common.files import ADVICE, verified_meanwhile
from clue_ner.tagger.decoding._base import Floats
from clue_ner.tagger.device import AUTO, CPU, cuda_number
from clue_ner.tagger.memory import Limit
from clue_ner.tagger.model_files import GRAPHS, WEIGHTS, find_graph
from clue_ner.tagger.tagger import TOKENS

SLOW = ["SkipLayerNormFusion"]
"""Fusions that are switched off: on a CPU this one takes several times as long as the operators that it replaces."""
CUDA = "CUDAExecutionProvider"
CUDA_TOKENS = 2**14
"""Tokens of a batch on a GPU: with an encoder of BERT-base's size it needs about 2 GB."""

logger = logging.getLogger(__name__)


class OnnxRuntime:
    """Computes logits with the graph in ``path``, on ``threads`` CPU threads or a GPU."""

    def __init__(self, path: Path, threads: int | None = None, device: str = CPU) -> None:
        """``auto`` is CUDA if this ONNX Runtime has it and can use it, else the CPU.

        Raises ArtifactError if the file does not exist or is not a graph, DeviceError if the device cannot be used.
        """
        import onnxruntime

        providers = _providers(device)
        if not path.is_file():
            raise ArtifactError(f"{path}: no such file; set export.onnx to true and run `dvc repro export`")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads or default_threads(), 1
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=providers, disabled_optimizers=SLOW)
        except Exception as error:  # ONNX Runtime's errors have no common class
            reason = str(error).partition("\n")[0]
            raise ArtifactError(f"{path}: not a usable ONNX graph ({reason}); run `dvc repro export`") from None
        self._inputs = [column.name for column in self._session.get_inputs()]
        self.device = self._used(device, len(providers) > 1)
        self._limit = Limit(TOKENS if self.device == CPU else CUDA_TOKENS)

    @property
    def batch_tokens(self) -> float:
        """On a CPU so few that the states stay in its cache."""
        return self._limit.tokens

    def __call__(self, batch: Batch) -> Floats:
        """The head's logits. A batch that does not fit a GPU's memory is computed in halves.

        Raises DeviceError if a single row does not fit.
        """
        return self._limit.compute(batch, self.device, self._logits)

    def _logits(self, batch: Batch) -> Floats | None:
        try:
            (logits,) = self._session.run(None, {name: batch[name] for name in self._inputs})
        except Exception as error:  # ONNX Runtime's errors have no common class
            if self.device != CPU and "allocate memory" in str(error):
                return None
            raise
        found: Floats = logits
        return found

    def _used(self, wanted: str, expects_cuda: bool) -> str:
        """The device of the session, which falls back to the CPU without an error."""
        if self._session.get_providers()[0] == CUDA:
            return f"cuda:{cuda_number(wanted)}"
        if expects_cuda and wanted != AUTO:
            raise DeviceError(
                f"device {wanted}: ONNX Runtime cannot use it (its log above says why: often libraries of CUDA or "
                "cuDNN are missing, or there is no such card); take device cpu, or runtime torch"
            )
        if expects_cuda:
            logger.warning("ONNX Runtime has CUDA but cannot use it, so the CPU computes")
        return CPU


def has_cuda() -> bool:
    """Whether the installed ONNX Runtime can compute on NVIDIA's cards."""
    import onnxruntime

    return CUDA in onnxruntime.get_available_providers()


def _providers(device: str) -> list[Any]:
    """What ONNX Runtime is to compute with; DeviceError if it cannot compute on the device."""
    if device == CPU or (device == AUTO and not has_cuda()):
        return ["CPUExecutionProvider"]
    if device == "mps":
        raise DeviceError("device mps: runtime onnx computes on cpu and cuda; take runtime torch")
    if not has_cuda():
        raise DeviceError(
            f"device {device}: the installed onnxruntime has no CUDA; install onnxruntime-gpu in place of onnxruntime, "
            "or take runtime torch, or device cpu"
        )
    return [(CUDA, {"device_id": cuda_number(device)}), "CPUExecutionProvider"]


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
