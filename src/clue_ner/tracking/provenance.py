"""What made a run: commit, experiment, environment, and the params in the form MLflow keeps them in."""

import importlib.metadata
import logging
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clue_ner.common.errors import ArtifactError
from clue_ner.common.git import commit_of, git, own_repository
from clue_ner.core.params import dotted_training
from clue_ner.training.fingerprint import code_paths

SERVING = ("mlflow", "numpy", "pydantic", "safetensors", "tokenizers", "torch", "transformers")
"""What a registered model needs to be installed."""

_log = logging.getLogger(__name__)


def run_tags(params: Mapping[str, Any], device: str) -> dict[str, str]:
    """The tags of a training: what was run, and on which device.

    ``clue_ner.baseline`` is the commit that a DVC experiment started from.
    """
    return {
        "clue_ner.experiment": os.environ.get("DVC_EXP_NAME", ""),
        "clue_ner.baseline": os.environ.get("DVC_EXP_BASELINE_REV", ""),
        "clue_ner.corpus": params["corpus"]["name"],
        "clue_ner.backbone": params["backbone"]["name"],
        "clue_ner.scheme": params["tagging"]["scheme"],
        "clue_ner.align": params["tagging"]["align"],
        "clue_ner.head": params["train"]["head"],
        "clue_ner.device": device,
        "mlflow.source.name": "stages/fine_tune.py",
        "mlflow.source.type": "LOCAL",
    }


def commit_tags(root: Path) -> dict[str, str]:
    """The commit of the code in ``root``, and in ``clue_ner.dirty`` whether the code differs from it.

    ``unknown``, and a line in the log, where git does not say.
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
    """What ``dirty`` looks at: the code that decides the weights; params and metrics are recorded themselves."""
    return [*code_paths(root), "dvc.yaml", "requirements.lock"]


def recorded(params: Mapping[str, Any]) -> dict[str, str]:
    """The params that a training depends on, by dotted name; what is null is left out.

    >>> recorded({"seed": 0, "train": {"lr": 2e-4, "layers": None}, "tracking": {"model": "m"}})
    {'seed': '0', 'train.lr': '0.0002'}
    """
    return {name: str(value) for name, value in dotted_training(params).items() if value is not None}


def environment() -> str:
    """Python, platform and every installed package, a line each."""
    packages = {f"{d.metadata['Name']}=={d.version}" for d in importlib.metadata.distributions()}
    return "\n".join(
        [f"# Python {platform.python_version()}, {platform.platform()}", *sorted(packages, key=str.lower), ""]
    )


def requirements() -> list[str]:
    """The versions, as installed here, of what a registered model needs; without the build's suffix, as in ``+cpu``."""
    return [f"{name}=={importlib.metadata.version(name).partition('+')[0]}" for name in SERVING]
