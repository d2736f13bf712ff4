"""Fixtures of the trainings in this process."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from support.changed_params import PARAMS
from support.trainings import Setting, change

from clue_ner.core.params import TrainParams, load_params
from clue_ner.network.model import TaggerModel
from clue_ner.training import model_setup


@pytest.fixture(scope="session")
def setting(backbones: dict[str, Path], make_aligner: Callable[..., Any]) -> Callable[..., Setting]:
    """``setting(head, align, backbone)``."""

    @cache
    def make(head: str = "crf", align: str = "characters_over_pieces", backbone: str = "unigram") -> Setting:
        return Setting(backbones[backbone], make_aligner(backbone, align), head, align)

    return make


@pytest.fixture(scope="session")
def params() -> TrainParams:
    """The project's params for a model that is small and knows nothing, without training options."""
    project = load_params(PARAMS).train
    changes = model_setup.OFF | {
        "lr": 3e-3,
        "head_lr_factor": 1.0,
        "transition_lr_factor": 10.0,
        "epochs": 3,
        "batch_size": 8,
    }
    return project.model_copy(update={**changes, "precision": "float32", "dropout": 0.1, "freeze_embeddings": False})


@pytest.fixture(scope="session")
def overfitted(
    setting: Callable[..., Setting], params: TrainParams, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., tuple[Setting, TaggerModel]]:
    """``overfitted(head, align)``: a model that has learned the twenty sentences by heart, for all tests."""

    @cache
    def make(head: str, align: str) -> tuple[Setting, TaggerModel]:
        made = setting(head, align, "wordpiece")
        model = made.model(dropout=0.0)
        made.fit(model, change(params, epochs=30, dropout=0.0, batch_size=10), tmp_path_factory.mktemp("overfitted"))
        return made, model

    return make
