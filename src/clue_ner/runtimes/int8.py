"""ONNX Runtime, int8: smaller than float32, and faster on a CPU. Other devices do not have its operators."""

from pathlib import Path

from clue_ner.common.errors import DeviceError
from clue_ner.core.device import AUTO, CPU
from clue_ner.runtimes._onnxruntime import OnnxRuntime, load_graph
from clue_ner.tagger.config import TaggerConfig

FILES = ()
"""The files that ``load`` reads in the model's folder: none, because the graph is in another folder."""


def load(folder: Path, config: TaggerConfig, threads: int | None, device: str = AUTO) -> OnnxRuntime:
    """The runtime of the model in ``folder``; raises the errors of ``load_graph``, and DeviceError for a GPU."""
    if not supports(device):
        raise DeviceError(f"device {device}: runtime int8 computes on the CPU only; take runtime onnx or torch")
    return load_graph(folder, "int8", threads)


def supports(device: str) -> bool:
    """Whether this runtime can compute on ``device``."""
    return device in (AUTO, CPU)
