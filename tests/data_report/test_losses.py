"""What windows, alignments and tag schemes cannot say."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.sentences import marked, marked_all
from support.tiny import tiny_tagger_folder

from clue_ner.common.files import read_json, write_json
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.params import TaggingParams
from clue_ner.core.schemes import SCHEMES
from clue_ner.data_report.losses import ALIGNMENTS, Alignments, alignment_losses, overlaps, scheme_losses


def sentence(text: str, *spans: tuple[int, int, str]) -> Sentence:
    return Sentence("1", text, tuple(sorted(Entity(*span) for span in spans)))


def tagging(align: str = "pieces", window: int = 32) -> TaggingParams:
    return TaggingParams(scheme="BIO", align=align, window=window, overlap=8)


def test_losses_of_schemes_are_what_a_longer_one_overlaps() -> None:
    nested = sentence("上海银行", (0, 4, "company"), (0, 2, "address"))
    touching = sentence("上海北京", (0, 2, "address"), (2, 4, "address"))
    assert scheme_losses([nested, touching, marked("{李雷|name}在")]) == dict.fromkeys(SCHEMES, 1)
    assert scheme_losses([]) == dict.fromkeys(SCHEMES, 0)


@pytest.mark.parametrize(
    ("spans", "kind"),
    [
        ([(0, 2, "a"), (0, 2, "b")], "same_span"),
        ([(0, 4, "a"), (0, 2, "b")], "nested"),
        ([(0, 4, "a"), (2, 4, "b")], "nested"),
        ([(0, 4, "a"), (1, 3, "a")], "nested"),
        ([(0, 3, "a"), (1, 4, "b")], "crossing"),
        ([(0, 2, "a"), (2, 4, "b")], None),
    ],
)
def test_losses_name_how_entities_overlap(spans: list[tuple[int, int, str]], kind: str | None) -> None:
    found = overlaps([sentence("上海银行", *spans)])
    assert {name for name, count in found.items() if count} == ({kind} if kind else set())


def test_losses_of_pieces_are_inside_a_unit(make_aligner: Callable[..., Any]) -> None:
    sentences = marked_all("在{北|name}京", "在{北京|name}")
    losses, warnings = alignment_losses(sentences, make_aligner("unigram", "pieces"), "train", 5)
    assert (losses["entities"], losses["inside_unit"], losses["cut_entities"]) == (2, 1, 0)
    assert losses["examples"] == [
        {"reason": "begins or ends inside a unit", "id": "1", "type": "name", "start": 1, "end": 2, "entity": "北"}
    ]
    assert any(line.startswith("train: 1 of 2 entities") for line in warnings)
    losses, _ = alignment_losses(sentences, make_aligner("unigram", "characters"), "train", 5)
    assert losses["inside_unit"] == 0


def test_losses_of_windows_are_texts_and_entities_that_are_cut(make_aligner: Callable[..., Any]) -> None:
    aligner = make_aligner("wordpiece", "characters", 16, 4)
    room = 16 - len(aligner.tokenizer.before) - len(aligner.tokenizer.after)
    sentences = [marked("一" * room), marked(f"{{{'一' * (room + 1)}|name}}"), marked("一{一|name}")]
    losses, _ = alignment_losses(sentences, aligner, "train", 5)
    assert (losses["cut_texts"], losses["cut_entities"], losses["inside_unit"]) == (1, 1, 0)
    assert losses["tokens"]["max"] == room + 1


def test_losses_of_a_backbone_have_all_alignments(backbones: dict[str, Path]) -> None:
    found = Alignments.of_backbone(backbones["unigram"], "mine", tagging())
    assert (tuple(found.aligners), found.chosen, found.window, found.refused) == (ALIGNMENTS, "pieces", 32, {})
    assert {name: aligner.align for name, aligner in found.aligners.items()} == {name: name for name in ALIGNMENTS}


def test_losses_of_a_backbone_that_is_too_short_say_why(backbones: dict[str, Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(backbones["unigram"], tmp_path / "short"))
    write_json(folder / "config.json", read_json(folder / "config.json") | {"max_position_embeddings": 64})
    found = Alignments.of_backbone(folder, "mine", tagging(window=512))
    assert found.aligners == {}
    assert all("tagging.window: 512" in why for why in found.refused.values())
    assert set(found.refused) == set(ALIGNMENTS)


@pytest.mark.parametrize("align", ALIGNMENTS)
def test_losses_of_a_model_have_the_alignments_that_its_tokenizer_allows(tmp_path: Path, align: str) -> None:
    found = Alignments.of_model(tiny_tagger_folder(tmp_path / "model", align=align), "mine")
    assert (found.chosen, found.window) == (align, 32)
    if align == "characters":
        assert (list(found.aligners), set(found.refused)) == ([align], set(ALIGNMENTS[1:]))
    else:
        assert (tuple(found.aligners), found.refused) == (ALIGNMENTS, {})
    losses, _ = alignment_losses([marked("{我|name}们")], found.aligners["characters"], "train", 1)
    assert losses["inside_unit"] == 0
