"""Exports of tiny models, each made once a session; a test that changes one copies it first."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def lexicon_export(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """``lexicon_export(head, align)``: models/export of the tagger of ``lexicon=TAGS``, in every format it has."""
    from support.graphs import write_graphs
    from support.tiny import TAGS, tiny_tagger_folder

    from clue_ner.exporting import stock_transformers
    from clue_ner.runtimes.torch import model_of
    from clue_ner.tagger.tagger import Tagger

    @cache
    def export(head: str, align: str) -> Path:
        folder = tmp_path_factory.mktemp("export")
        tagger = Tagger.load(tiny_tagger_folder(folder / "tagger", head, align, lexicon=TAGS))
        write_graphs(tagger, folder)
        stock_transformers.write(tagger, model_of(tagger), folder / "transformers")
        return folder

    return export
