"""ONNX Runtime, float32."""

from pathlib import Path

from clue_ner.runtimes._onnxruntime import OnnxRuntime, load_graph
from clue_ner.tagger.config import TaggerConfig

FILES = ()
"""The files that ``load`` reads in the model's folder: none, because the graph is in another folder."""


def load(folder: Path, config: TaggerConfig, threads: int | None) -> OnnxRuntime:
    """The runtime of the model in ``folder``; raises the errors of ``load_graph``."""
    return load_graph(folder, "onnx", threads)
