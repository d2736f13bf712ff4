"""The head that docs/heads.md shows: its two files, as the page has them, train and find entities."""

import contextlib
import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from support.changed_params import PARAMS
from support.configs import tagger_config
from support.places import ROOT
from transformers import set_seed

from clue_ner.alignment.encode import Report, encode
from clue_ner.core import plugins
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.params import TrainParams, load_params
from clue_ner.core.schemes import SCHEMES
from clue_ner.network.encoder import load_encoder
from clue_ner.network.model import TaggerModel
from clue_ner.runtimes.torch import TorchRuntime
from clue_ner.tagger import decoding
from clue_ner.tagger.decoding import DecoderSpec
from clue_ner.tagger.tagger import Tagger
from clue_ner.training.model_setup import OFF, head_weights
from clue_ner.training.trainer import fit

BLOCK = re.compile(r"^`src/(clue_ner/[\w/]+)/(\w+)\.py`:\n\n```python\n(.+?)^```$", re.MULTILINE | re.DOTALL)
SENTENCES = [
    Sentence(
        f"{before}{person}{place}",
        f"{before}{person}在{place}的新公司",
        tuple(
            Entity(len(before) + start, len(before) + end, type_)
            for start, end, type_ in [(0, 1, "PER"), (2, 3, "LOC"), (4, 7, "ORG")]
        ),
    )
    for before in ("我看", "目前，")
    for person in "王黄高"
    for place in "京海山"
]
"""In each, two entities of one character, and a longer one, which the head cannot find."""


@contextlib.contextmanager
def toy_head(tmp_path: Path) -> Iterator[str]:
    """The head's name; until the block ends, its files lie where the packages look for heads and decoders."""
    blocks = BLOCK.findall((ROOT / "docs/heads.md").read_text(encoding="utf-8"))
    packages = [folder.replace("/", ".") for folder, _, _ in blocks]
    assert packages == [plugins.HEADS, plugins.DECODERS]
    (name,) = {name for _, name, _ in blocks}
    paths = [importlib.import_module(package).__path__ for package in packages]
    folders = [tmp_path / package for package in packages]
    for path, folder, (_, _, code) in zip(paths, folders, blocks):
        folder.mkdir()
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
        path.append(str(folder))
    importlib.invalidate_caches()
    try:
        yield name
    finally:
        for package, path, folder in zip(packages, paths, folders):
            path.remove(str(folder))
            if sys.modules.pop(f"{package}.{name}", None) is not None:
                delattr(sys.modules[package], name)


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[str]:
    """The name of the page's head, while it is there."""
    with toy_head(tmp_path) as name:
        yield name


def train_params(head: str) -> TrainParams:
    """The project's params for a model that is small and knows nothing, through the checks of params.yaml."""
    changes: dict[str, Any] = {"lr": 3e-3, "head_lr_factor": 1.0, "batch_size": 6, "epochs": 12, "precision": "float32"}
    project = load_params(PARAMS).train.model_dump()
    return TrainParams.model_validate({**project, **OFF, **changes, "head": head, "freeze_embeddings": False})


def test_toy_head_is_found_by_its_files(tmp_path: Path) -> None:
    with toy_head(tmp_path) as name:
        assert name in plugins.names(plugins.HEADS)
        assert not plugins.reads_tags(name)
        assert train_params(name).head == name
    with pytest.raises(ValidationError, match="unknown head: there are biaffine"):
        train_params(name)


def test_toy_head_of_the_page_learns_the_entities_of_one_unit(
    toy: str, backbones: dict[str, Path], make_aligner: Callable[..., Any], tmp_path: Path
) -> None:
    aligner, params = make_aligner("wordpiece", "characters"), train_params(toy)
    config = tagger_config(["LOC", "ORG", "PER"], head=toy, align="characters", head_options=params.head_options)
    set_seed(0)
    model = TaggerModel(load_encoder(backbones["wordpiece"]), config, params.dropout)
    examples = list(encode(SENTENCES, aligner, SCHEMES["BIO"], config.tags, Report()))
    history = fit(model, examples, aligner.tokenizer.pad_id, params, 0, str(tmp_path), None, lambda history: None)
    losses = [epoch["loss"] for epoch in history.epochs]
    assert losses[-1] < losses[0] / 10

    tagger = Tagger(config, aligner, TorchRuntime(model), head_weights(model, toy))
    found = tagger.tag([sentence.text for sentence in SENTENCES])
    wanted = [[e for e in sentence.entities if e.end - e.start == 1] for sentence in SENTENCES]
    assert found == wanted
    assert all(0.5 < entity.score <= 1 for entities in found for entity in entities if entity.score is not None)


def test_toy_head_of_the_page_finds_nothing_in_padding(toy: str) -> None:
    decoder = decoding.build(toy, DecoderSpec(SCHEMES["BIO"], tuple(SCHEMES["BIO"].tags(["LOC", "PER"]))))
    logits = np.zeros((2, 3, 3), dtype=np.float32)
    logits[..., 2] = 20.0
    first, other = decoder.decode(logits, np.array([3, 1]))
    assert [entity[:3] for entity in first.entities] == [(0, 1, "PER"), (1, 2, "PER"), (2, 3, "PER")]
    assert [entity[:3] for entity in other.entities] == [(0, 1, "PER")]
