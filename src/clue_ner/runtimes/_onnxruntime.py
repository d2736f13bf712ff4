"""ONNX Runtime with a graph from the stage export, without torch."""

import os
from pathlib import Path

from clue_ner.alignment.batch import Batch
from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import ADVICE, verified_meanwhile
from clue_ner.tagger.decoding._base import Floats
from clue_ner.tagger.model_files import GRAPHS, WEIGHTS, find_graph
from clue_ner.tagger.tagger import TOKENS

SLOW = ["SkipLayerNormFusion"]
"""Fusions that are switched off: on a CPU this one takes several times as long as the operators that it replaces."""


class OnnxRuntime:
    """Computes logits with the graph in ``path`` on ``threads`` CPU threads."""

    batch_tokens: float = TOKENS

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Raises ArtifactError if the file does not exist or is not a graph."""
        import onnxruntime

        if not path.is_file():
            raise ArtifactError(f"{path}: no such file; set export.onnx to true and run `dvc repro export`")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads or default_threads(), 1
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW
            )
        except Exception as error:  # ONNX Runtime's errors have no common class
            reason = str(error).partition("\n")[0]
            raise ArtifactError(f"{path}: not a usable ONNX graph ({reason}); run `dvc repro export`") from None
        self._inputs = [column.name for column in self._session.get_inputs()]

    def __call__(self, batch: Batch) -> Floats:
        """The head's logits."""
        (logits,) = self._session.run(None, {name: batch[name] for name in self._inputs})
        found: Floats = logits
        return found


def load_graph(model: Path, runtime: str, threads: int | None) -> OnnxRuntime:
    """The runtime with the graph of the model in the folder ``model``: see ``find_graph``.

    Raises ArtifactError if there is no graph, or its checksum is wrong.
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
        return OnnxRuntime(path, threads)


def default_threads() -> int:
    """``OMP_NUM_THREADS``, or the cores that this process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
