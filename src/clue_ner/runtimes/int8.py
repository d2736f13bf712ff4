"""ONNX Runtime, int8: smaller than float32, and faster on a CPU."""

from pathlib import Path

from clue_ner.runtimes._onnxruntime import OnnxRuntime, load_graph
from clue_ner.tagger.config import TaggerConfig

FILES = ()
"""What ``load`` reads in the model's folder: nothing, the graph is elsewhere."""


def load(folder: Path, config: TaggerConfig, threads: int | None) -> OnnxRuntime:
    """The runtime of the model in ``folder``; errors are as of ``load_graph``."""
    return load_graph(folder, "int8", threads)
