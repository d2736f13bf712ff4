"""The teacher of knowledge distillation: a trained tagger whose logits another one learns from."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from clue_ner.alignment.windows import INPUTS
from clue_ner.common.errors import ArtifactError
from clue_ner.core.params import TrainParams
from clue_ner.network.encoder import kinds_of
from clue_ner.network.model import TaggerModel
from clue_ner.runtimes.torch import load_model
from clue_ner.tagger.config import TaggerConfig
from clue_ner.training import device, trained_tagger
from clue_ner.training.trained_tagger import difference, same_tokens

SHARED = ("head", "align", "scheme", "types", "tags", "window", "overlap")
"""The fields that must be equal in both configurations, so that logits mean the same."""


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
        folder, theirs = trained_tagger.read(folder, "teacher")
        unlike = [
            difference(name, ("teacher", getattr(theirs, name)), ("student", getattr(config, name)))
            for name in SHARED
            if getattr(theirs, name) != getattr(config, name)
        ]
        if not same_tokens(folder, tokenizer):
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
