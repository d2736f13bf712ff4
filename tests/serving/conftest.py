"""A tiny model behind a service, shared by the tests that leave it as it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.graphs import write_graphs
from support.serving import Server, served
from support.tiny import TAGS, tiny_tagger_folder

from clue_ner.tagger.tagger import Tagger


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as models/export."""
    folder = tmp_path_factory.mktemp("export")
    write_graphs(Tagger.load(tiny_tagger_folder(folder / "tagger", lexicon=TAGS), "torch"), folder)
    return folder


@pytest.fixture(scope="session")
def tagger(export: Path) -> Tagger:
    """The same model in this process."""
    return Tagger.load(export, "onnx")


@pytest.fixture(scope="module")
def server(export: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The model behind a service with default limits."""
    with served("--model", export, folder=tmp_path_factory.mktemp("server")) as running:
        yield running
