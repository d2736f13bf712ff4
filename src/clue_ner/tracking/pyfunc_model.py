"""The files of a version: the tagger and its graphs as a pyfunc model (MLflow's generic Python format)."""

import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import clue_ner
from clue_ner.common.files import checked, read_json, write_checksums, write_json
from clue_ner.tagger.model_files import GRAPHS
from clue_ner.tracking import provenance

EXAMPLE = "李雷昨天去了上海的招商银行。"
SETTINGS = "registry.json"
"""The file of models/export with what a version has; exports of earlier releases have none."""
FASTEST = ("int8", "onnx")
"""The runtimes of the graphs, the fastest on a CPU first."""


def describe(export: Path, formats: Mapping[str, Any], onnx: bool) -> None:
    """Write which graphs of ``export`` go into a version, and its runtime if the owner names none.

    ``formats`` are those of the parity report. A version has int8 and, with ``onnx``, float32, as far as they are
    there. The runtime is the fastest one that the report calls ``ok``, else torch.
    """
    there = [runtime for runtime in (FASTEST if onnx else ("int8",)) if runtime in formats]
    runtime = next((each for each in there if formats[each]["ok"]), "torch")
    write_json(export / SETTINGS, {"graphs": there, "runtime": runtime})


def graphs(export: Path) -> list[str]:
    """The runtimes whose graphs in ``export`` go into a version."""
    return list(_settings(export)["graphs"])


def copy_graphs(export: Path, runtimes: Collection[str], folder: Path) -> None:
    """Copy the graphs of ``runtimes`` to a new ``folder``, with their checksums; ArtifactError if one is damaged."""
    if not runtimes:
        return
    names = [GRAPHS[runtime] for runtime in runtimes]
    source = checked(export / "onnx", *names)
    folder.mkdir(parents=True)
    for name in names:
        shutil.copyfile(source / name, folder / name)
    write_checksums(folder, read_json(source / "checksums.json"))


def save(path: Path, export: Path, card: Any) -> None:
    """Write the pyfunc model of ``export`` to the new folder ``path``; ``card`` is its ``mlflow.models.Model``."""
    import mlflow.pyfunc

    there, runtime = graphs(export), _settings(export)["runtime"]
    with tempfile.TemporaryDirectory() as scratch:
        folders = {"tagger": (export / "tagger").resolve()}
        if there:
            folders["onnx"] = Path(scratch) / "onnx"
            copy_graphs(export, there, folders["onnx"])
        mlflow.pyfunc.save_model(
            str(path),
            python_model=str(Path(__file__).with_name("served_model.py")),
            artifacts={name: str(folder) for name, folder in folders.items()},
            code_paths=[str(Path(clue_ner.__file__).parent)],
            pip_requirements=provenance.requirements(runtime),
            input_example=([EXAMPLE], {"output": "records", "min_score": 0.0}),
            model_config={"runtime": runtime, "device": "auto"},
            mlflow_model=card,
        )
    for cache in path.rglob("__pycache__"):
        shutil.rmtree(cache)


def _settings(export: Path) -> dict[str, Any]:
    path = export / SETTINGS
    found: dict[str, Any] = read_json(path) if path.exists() else {"graphs": [], "runtime": "torch"}
    return found
