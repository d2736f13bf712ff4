"""The teacher of knowledge distillation: a trained tagger whose logits another one learns from."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clue_ner.alignment.windows import INPUTS
from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import CHECKSUMS, read_json, sha256, verify_checksums
from clue_ner.core.params import TrainParams
from clue_ner.network.encoder import kinds_of
from clue_ner.network.model import TaggerModel
from clue_ner.runtimes.torch import load_model
from clue_ner.tagger.config import TaggerConfig, TeacherRecord
from clue_ner.tagger.model_files import model_folder
from clue_ner.training import device

SHARED = ("head", "align", "scheme", "types", "tags", "window", "overlap")
"""The fields that must be equal in both configurations, so that logits mean the same."""
TOKENIZER = "tokenizer.json"


class Teacher:
    """Computes logits of batches without dropout and gradients; it is not trained or saved."""

    def __init__(self, model: TaggerModel, params: TrainParams) -> None:
        self.model = model.eval().requires_grad_(False)
        self.autocasts = device.autocasts(model.encoder)
        kinds = kinds_of(self.model.encoder)
        wanted = params.attention if params.attention in kinds else "auto"
        self.model.encoder.set_attn_implementation(device.attention(wanted, kinds))
        device.suit(self.model, self.model.encoder)

    @classmethod
    def load(cls, folder: Path, config: TaggerConfig, tokenizer: Path, params: TrainParams) -> "Teacher":
        """Load the model in ``folder``, for a student with ``config`` and the tokenizer in the folder ``tokenizer``.

        Raises ArtifactError if it is not a model of this project, is damaged, or its logits mean something else.
        """
        folder = model_folder(folder)
        theirs = TaggerConfig.load(folder)
        verify_checksums(folder, "name another teacher, or train it again")
        unlike = [
            f"{name} (teacher {_short(getattr(theirs, name))}, student {_short(getattr(config, name))})"
            for name in SHARED
            if getattr(theirs, name) != getattr(config, name)
        ]
        if sha256(folder / TOKENIZER) != sha256(tokenizer / TOKENIZER):
            unlike.append("the tokenizer's vocabulary")
        if unlike:
            raise ArtifactError(
                f"train.teacher: {params.teacher}: its logits cannot be used, because it differs in "
                f"{'; '.join(unlike)}; "
                "name a teacher trained with the same head, tagging, corpus types and tokenizer, or train one"
            )
        return cls(load_model(folder, theirs), params)

    @torch.no_grad()
    def logits(self, batch: Mapping[str, Tensor], place: torch.device) -> Tensor:
        """The logits of the teacher's head for a batch, float32, on the device ``place``."""
        self.model.to(place)
        columns = {name: batch[name].to(place) for name in INPUTS}
        with contextlib.nullcontext() if self.autocasts else torch.autocast(place.type, enabled=False):
            logits: Tensor = self.model(**columns)
        return logits.float()


def folder_of(root: Path, name: str | None) -> Path | None:
    """The folder in which the stage sources linked the teacher of the pipeline at ``root``; None without a ``name``."""
    return None if name is None else root / "data/sources/teacher"


def record(root: Path, name: str | None) -> TeacherRecord | None:
    """The record of the teacher ``name`` for the training of the pipeline at ``root``; None without one.

    Raises ArtifactError if there is no model in its folder, or the stage sources has not run since it was set.
    """
    folder = folder_of(root, name)
    if folder is None:
        return None
    source = folder.with_suffix(".json")
    found = read_json(source)
    if found.get("name") != name:
        raise ArtifactError(f"{source}: of the teacher {found.get('name')}, wanted {name}; run `dvc repro sources`")
    return TeacherRecord(name=found["name"], resolved=found["resolved"], checksums=identity(folder))


def identity(folder: Path) -> dict[str, Any]:
    """The checksums of a teacher's files; raises ArtifactError if there is no model."""
    try:
        found: dict[str, Any] = read_json(model_folder(folder) / CHECKSUMS)
    except ArtifactError as error:
        raise ArtifactError(f"params.yaml: train.teacher: {error}") from None
    return found


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
