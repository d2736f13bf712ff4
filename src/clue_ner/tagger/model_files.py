"""The locations of a model's parts, in the folder that fine_tune writes or in models/export."""

from pathlib import Path

from clue_ner.common.errors import ArtifactError
from clue_ner.tagger.config import FILE

WEIGHTS = "model.safetensors"
GRAPHS = {"onnx": "model.onnx", "int8": "model.int8.onnx"}
"""The file of each runtime in the folder ``onnx`` of models/export."""


def model_folder(folder: Path) -> Path:
    """The folder of the model: ``folder`` or its subfolder ``tagger`` (written by export); ArtifactError if neither."""
    for place in (folder, folder / "tagger"):
        if (place / FILE).is_file():
            return place
    raise ArtifactError(
        f"{folder}: no model (wanted {FILE} there, as `dvc repro` and `make demo` write); "
        "name another folder, or train one"
    )


def find_graph(model: Path, runtime: str) -> Path | None:
    """The graph of ``runtime``, one of ``GRAPHS``, for the model in the folder ``model``; None if there is none.

    It is in the subfolder ``onnx``, or next to ``tagger``.
    """
    for place in (model, model.parent) if model.name == "tagger" else (model,):
        if (path := place / "onnx" / GRAPHS[runtime]).is_file():
            return path
    return None
