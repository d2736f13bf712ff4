"""A span with two types: accepted by a model that can find both, refused by name otherwise, before training."""

from pathlib import Path

import pytest

from clue_ner.common.errors import CorpusError
from clue_ner.core import plugins
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.sentences import write_sentences
from clue_ner.training.inputs import Inputs

TWO = Sentence("train-0", "苏轼传在上海首发。", (Entity(0, 3, "book"), Entity(0, 3, "movie")))
NESTED = Sentence("train-0", "苏轼传在上海首发。", (Entity(0, 2, "name"), Entity(0, 3, "movie")))


def inputs(folder: Path, sentence: Sentence) -> Inputs:
    write_sentences(folder / "train.jsonl", [sentence])
    return Inputs({}, {}, {}, backbone=folder, corpus_folder=folder, encoded=folder, digests={})


@pytest.mark.parametrize("head", plugins.names(plugins.DECODERS))
@pytest.mark.parametrize("flat", [True, False])
def test_more_types_need_a_head_that_finds_both(head: str, flat: bool, tmp_path: Path) -> None:
    if head in ("global_pointer", "span") and not flat:
        inputs(tmp_path, TWO).refuse_more_types(head, flat)
        return
    with pytest.raises(CorpusError) as caught:
        inputs(tmp_path, TWO).refuse_more_types(head, flat)
    assert f"sentence train-0 (book and movie 0:3), and head {head}" in str(caught.value)
    assert "set train.head to global_pointer or span and train.flat to false" in str(caught.value)


def test_more_types_are_not_entities_that_nest(tmp_path: Path) -> None:
    inputs(tmp_path, NESTED).refuse_more_types("crf", flat=True)
