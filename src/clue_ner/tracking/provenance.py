"""The origin of a run: commit, experiment, environment, and the params in MLflow's form."""

import hashlib
import importlib.metadata
import json
import logging
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clue_ner.common.errors import ArtifactError, ParamsError
from clue_ner.common.git import commit_of, git, own_repository
from clue_ner.core.folders import TAGGERS
from clue_ner.core.params import dotted_training
from clue_ner.core.yaml import read_yaml
from clue_ner.tagger.config import TaggerConfig, TrainingRecord
from clue_ner.training.fingerprint import code_paths

SERVING = ("mlflow", "numpy", "pydantic", "safetensors", "tokenizers")
"""The packages that a registered model needs, whatever its runtime."""
RUNTIME = {"torch": ("torch", "transformers"), "onnx": ("onnxruntime",), "int8": ("onnxruntime",)}
"""Those that it needs for a runtime."""

_log = logging.getLogger(__name__)


def run_tags(params: Mapping[str, Any], device: str) -> dict[str, str]:
    """The tags of a training: corpus, backbone, head, device and more.

    ``clue_ner.baseline`` is the commit that a DVC experiment started from. Unknown values have no tag.
    """
    tags = {
        "clue_ner.experiment": os.environ.get("DVC_EXP_NAME", ""),
        "clue_ner.baseline": os.environ.get("DVC_EXP_BASELINE_REV", ""),
        "clue_ner.corpus": params["corpus"]["name"],
        "clue_ner.backbone": params["backbone"]["name"],
        "clue_ner.scheme": params["tagging"]["scheme"],
        "clue_ner.align": params["tagging"]["align"],
        "clue_ner.head": params["train"]["head"],
        "clue_ner.device": device,
        "clue_ner.recipe": recipe(params),
        "mlflow.source.name": "stages/fine_tune.py",
        "mlflow.source.type": "LOCAL",
    }
    return {name: value for name, value in tags.items() if value}


def tagger_tags(trained: TrainingRecord) -> dict[str, str]:
    """Which taggers a training began with, as tags of its run and model: their names that never move, fingerprints."""
    tags = {}
    for key in TAGGERS:
        if (record := getattr(trained, key)) is not None:
            tags[f"clue_ner.{key}"] = record.resolved or record.name
            tags[f"clue_ner.{key}_fingerprint"] = record.fingerprint or ""
    return {name: value for name, value in tags.items() if value}


def run_name(params: Mapping[str, Any]) -> str:
    """The name of a training without a DVC experiment name.

    >>> run_name({"seed": 1, "train": {"head": "crf", "lr": 1.5e-4}})
    'crf lr 1.5e-4 seed 1'
    """
    return f"{_head_and_lr(params)} seed {params['seed']}"


def recipe(params: Mapping[str, Any]) -> str:
    """A label that is equal for trainings that differ only in the seed; the number is from a hash of the params.

    >>> recipe({"seed": 1, "train": {"head": "crf", "lr": 4e-5}})
    'crf lr 4e-5 (67f049)'
    """
    values = {name: value for name, value in recorded(params).items() if name != "seed"}
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    return f"{_head_and_lr(params)} ({digest[:6]})"


def changed(root: Path, params: Mapping[str, Any]) -> dict[str, Any] | None:
    """How ``params`` differ from those in git that the training started from; None if git does not know these.

    ``{"commit": …, "params": {name: [value there, value here]}}``. In a DVC experiment the commit is the one it
    started from, else the one that is checked out.
    """
    try:
        repository = own_repository(root)
        commit = os.environ.get("DVC_EXP_BASELINE_REV") or commit_of(repository)
        text = git(repository, "show", f"{commit}:params.yaml")
        there = dotted_training(read_yaml(text, f"params.yaml of {commit}"))
    except (ArtifactError, ParamsError, AttributeError):  # TypeError: it is not a mapping
        return None
    here = dotted_training(params)
    differ = {name: [str(there[name]), str(here[name])] for name in here if name in there and there[name] != here[name]}
    return {"commit": commit, "params": differ}


def _head_and_lr(params: Mapping[str, Any]) -> str:
    mantissa, exponent = f"{params['train']['lr']:e}".split("e")
    return f"{params['train']['head']} lr {float(mantissa):g}e{int(exponent)}"


def dataset(config: TaggerConfig) -> dict[str, Any]:
    """The corpus that a tagger is trained on: its name, fingerprint, licence, and the types of entities."""
    return {**config.trained.corpus.model_dump(), "types": list(config.types)}


def commit_tags(root: Path) -> dict[str, str]:
    """The commit of the code in ``root``, and in ``clue_ner.dirty`` whether the code differs from it.

    If git does not know, ``unknown``, and a line in the log.
    """
    tags = {"mlflow.source.git.commit": "unknown", "clue_ner.dirty": "unknown"}
    try:
        repository = own_repository(root)
        tags["mlflow.source.git.commit"] = commit_of(repository)
        changes = git(repository, "status", "--porcelain", "--", *code(root))
        tags["clue_ner.dirty"] = str(bool(changes)).lower()
    except ArtifactError as error:
        _log.warning("no commit is recorded for this run: %s", error)
    return tags


def code(root: Path) -> list[str]:
    """The paths that ``dirty`` checks: the code that determines the weights; params and metrics are recorded anyway."""
    return [*code_paths(root), "dvc.yaml", "requirements.lock"]


def recorded(params: Mapping[str, Any]) -> dict[str, str]:
    """The params that a training depends on, by dotted name, without null values.

    >>> recorded({"seed": 0, "train": {"lr": 2e-4, "layers": None}, "tracking": {"model": "m"}})
    {'seed': '0', 'train.lr': '0.0002'}
    """
    return {name: str(value) for name, value in dotted_training(params).items() if value is not None}


def environment() -> str:
    """Python, platform and every installed package, one line each."""
    packages = {f"{d.metadata['Name']}=={d.version}" for d in importlib.metadata.distributions()}
    return "\n".join(
        [f"# Python {platform.python_version()}, {platform.platform()}", *sorted(packages, key=str.lower), ""]
    )


def requirements(runtime: str) -> list[str]:
    """The installed versions of the packages that a registered model needs, without build suffixes such as ``+cpu``."""
    names = sorted([*SERVING, *RUNTIME[runtime]])
    return [f"{name}=={importlib.metadata.version(name).partition('+')[0]}" for name in names]
