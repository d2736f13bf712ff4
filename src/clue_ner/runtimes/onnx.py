"""ONNX Runtime, float32, on a CPU or with CUDA."""

from pathlib import Path

from clue_ner.core.device import AUTO, CPU
from clue_ner.runtimes._onnxruntime import OnnxRuntime, has_cuda, load_graph
from clue_ner.tagger.config import TaggerConfig

FILES = ()
"""The files that ``load`` reads in the model's folder: none, because the graph is in another folder."""


def load(folder: Path, config: TaggerConfig, threads: int | None, device: str = AUTO) -> OnnxRuntime:
    """The runtime of the model in ``folder``; raises the errors of ``load_graph``."""
    return load_graph(folder, "onnx", threads, device)


def supports(device: str) -> bool:
    """Whether this runtime can compute on ``device``, which may not be here."""
    return device in (AUTO, CPU) or (device != "mps" and has_cuda())
