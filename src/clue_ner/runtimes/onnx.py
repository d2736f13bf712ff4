"""Where a tagger's logits come from: torch, or ONNX Runtime with a graph that the stage export wrote."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from clue_ner.common.errors import ArtifactError
from clue_ner.core.files import MEND, verify_checksums

GRAPHS = {"onnx": "model.onnx", "int8": "model.int8.onnx"}
"""The runtimes beside ``torch``, and the file of each in the folder ``onnx`` of models/export."""
RUNTIMES = ("torch", *GRAPHS)
SLOW = ["SkipLayerNormFusion"]
"""Fusions that ONNX Runtime is kept from: on a processor this one takes several times as long as what it replaces."""

Scorer = Callable[[dict[str, Tensor]], Tensor]
"""The head's logits of a batch as ``collate`` makes it."""


def graph(model: Path, runtime: str) -> Path:
    """The graph of the model in the folder ``model``, its checksum compared: in ``onnx`` there, or beside ``tagger``.

    Raises ArtifactError if there is none, or it is damaged.
    """
    for place in (model, model.parent) if model.name == "tagger" else (model,):
        path = place / "onnx" / GRAPHS[runtime]
        if path.is_file():
            verify_checksums(path.parent, f"in a repository {MEND}; elsewhere fetch it again", [path.name])
            return path
    raise ArtifactError(
        f"{model}: no onnx/{GRAPHS[runtime]} with this model, which runtime {runtime} wants; name models/export "
        "(`dvc repro export` writes it, with export.onnx: true), or take runtime torch"
    )


def scorer(path: Path, threads: int) -> Scorer:
    """Logits from the graph in ``path`` on ``threads`` threads of the processor, for ``Tagger.using``.

    Raises ArtifactError if there is no such file, or it is no graph.
    """
    import onnxruntime

    if not path.is_file():
        raise ArtifactError(f"{path}: no such file; set export.onnx to true and run `dvc repro export`")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    try:
        session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW
        )
    except Exception as error:  # ONNX Runtime's errors have no class in common
        reason = str(error).partition("\n")[0]
        raise ArtifactError(f"{path}: no ONNX graph that can be run ({reason}); run `dvc repro export`") from None
    used = [column.name for column in session.get_inputs()]

    def score(batch: dict[str, Tensor]) -> Tensor:
        (logits,) = session.run(None, {name: batch[name].numpy() for name in used})
        return torch.from_numpy(logits)

    return score
