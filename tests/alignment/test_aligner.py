"""Characters, tokens and units: offsets exact on any text, and windows that share the units out."""

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.architectures import byte_level
from support.bert_folders import fetch
from support.places import GOLDEN as GOLDEN_ROOT
from support.strategies import entities, long_texts, texts
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers

from clue_ner.alignment.aligner import UNITS_PER_TOKEN, Aligner
from clue_ner.alignment.character_tokenizer import COMMON
from clue_ner.alignment.tokenizer import SPECIALS, Tokenizer
from clue_ner.alignment.windows import MAX_PLACE, Window, merge
from clue_ner.common.errors import ParamsError
from clue_ner.core.entities import Entity

GOLDEN = sorted((GOLDEN_ROOT / "alignment").glob("*.json"))
ALIGNMENTS = ["characters", "pieces", "characters_over_pieces"]
BACKBONES = ["unigram", "wordpiece"]
MakeAligner = Callable[..., Aligner]

every_alignment = pytest.mark.parametrize("align", ALIGNMENTS)
every_backbone = pytest.mark.parametrize("backbone", BACKBONES)


def units(window: Window) -> list[tuple[int, int]]:
    return list(zip(window.unit_starts, window.unit_ends, strict=True))


def only(aligner: Aligner, text: str) -> Window:
    """The one window of a text that fits."""
    ((window,),) = aligner.windows([text])
    return window


def normalised_alone(text: str) -> bool:
    """Whether NFKC changes each character by itself: none is joined with another, none changes its place."""
    return "".join(unicodedata.normalize("NFKC", char) for char in text) == unicodedata.normalize("NFKC", text)


def test_align_golden_cases_are_all_there() -> None:
    assert len(GOLDEN) == 11


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
@every_backbone
@every_alignment
def test_align_golden(make_aligner: MakeAligner, backbone: str, align: str, path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    text, expected = case["text"], case[backbone][align]
    aligner = make_aligner(backbone, align)
    window = only(aligner, text)
    wanted = expected["units"]
    if wanted == "each character":
        wanted = [[i, i + 1] for i in range(len(text))]
    assert units(window) == [tuple(unit) for unit in wanted]
    tokens = aligner.tokenizer.tokens(window.input_ids)
    assert tokens == case[backbone]["pieces" if align == "characters_over_pieces" else align]["tokens"]
    lost = [span for span in case["entities"] if window.units_of(Entity(*span, "X")) is None]
    assert lost == expected["lost"]


@every_alignment
@every_backbone
@settings(max_examples=60, deadline=None)
@given(text=texts)
@example("")
@example(" \u200b\x01")
@example("\ud800")
@example("\u0301\u0301")
@example("İ½ﬁ㎡")
@example("1½2")
@example("[SEP]<s>")
def test_align_units_are_pieces_of_the_text(make_aligner: MakeAligner, backbone: str, align: str, text: str) -> None:
    aligner = make_aligner(backbone, align)
    (windows,) = aligner.windows([text])
    assert len(windows) == 0 or text
    for window in windows:
        columns = (
            window.unit_ends,
            window.unit_tokens,
            window.unit_characters,
            window.unit_places,
            window.unit_lengths,
        )
        assert {len(column) for column in columns} == {len(window.unit_starts)}
        edge = 0
        for start, end in units(window):
            assert edge <= start <= end <= len(text)
            assert start < end or align == "pieces"
            edge = end
        assert window.unit_tokens == sorted(window.unit_tokens)
        tokenizer, vocabulary = aligner.tokenizer, aligner.tokenizer.vocabulary()
        special = {vocabulary[token] for name in SPECIALS if (token := tokenizer.special(name)) is not None}
        before, *inside, after = window.input_ids
        assert ([before], [after]) == (tokenizer.before, tokenizer.after)
        assert tokenizer.tokens([before, after]) == [tokenizer.special("cls_token"), tokenizer.special("sep_token")]
        assert len(special) > 3
        assert not set(inside) & special - {tokenizer.unk_id}
        assert all(1 <= token <= len(inside) for token in window.unit_tokens)
        assert all(0 <= place <= length <= MAX_PLACE for place, length in zip(window.unit_places, window.unit_lengths))
        for first in range(len(window.unit_starts)):
            found = window.entity(first, first + 1, "X")
            assert (found is None) == (window.unit_starts[first] == window.unit_ends[first])
            assert found is None or window.units_of(found) == (first, first + 1)


@every_backbone
@settings(max_examples=100, deadline=None)
@given(text=texts)
def test_align_characters_holds_every_character(make_aligner: MakeAligner, backbone: str, text: str) -> None:
    (windows,) = make_aligner(backbone, "characters", 512, 0).windows([text])
    found = [unit for window in windows for unit in units(window)]
    if backbone == "wordpiece" or normalised_alone(text.encode("utf-8", "replace").decode("utf-8")):
        assert found == [(i, i + 1) for i in range(len(text))]


@every_backbone
@settings(max_examples=60, deadline=None)
@given(text=texts)
def test_align_characters_over_pieces_holds_every_character_if_any_is_seen(
    make_aligner: MakeAligner, backbone: str, text: str
) -> None:
    (windows,) = make_aligner(backbone, "characters_over_pieces", 512, 0).windows([text])
    (pieces,) = make_aligner(backbone, "pieces", 512, 0).windows([text])
    seen = any(end > start for window in pieces for start, end in units(window))
    assert [unit for window in windows for unit in units(window)] == [(i, i + 1) for i in range(len(text) * seen)]


@every_backbone
@settings(max_examples=60, deadline=None)
@given(text=texts)
def test_align_a_character_s_place_is_that_in_its_piece(make_aligner: MakeAligner, backbone: str, text: str) -> None:
    over = make_aligner(backbone, "characters_over_pieces", 512, 0)
    for window, pieces in zip(*over.windows([text]), *make_aligner(backbone, "pieces", 512, 0).windows([text])):
        held = {
            position: (token, min(position - start, MAX_PLACE), min(end - start - 1, MAX_PLACE))
            for start, end, token in zip(pieces.unit_starts, pieces.unit_ends, pieces.unit_tokens)
            for position in range(start, end)
        }
        found = zip(window.unit_tokens, window.unit_places, window.unit_lengths, strict=True)
        for position, (token, place, length) in enumerate(found):
            assert (token, place, length) == held.get(position, (token, 0, 0))


@every_alignment
@every_backbone
@settings(max_examples=60, deadline=None)
@given(text=st.one_of(texts, long_texts), window=st.integers(16, 40), share=st.fractions(0, 0.5))
def test_align_each_unit_is_in_the_core_of_one_window(
    make_aligner: MakeAligner, backbone: str, align: str, text: str, window: int, share: Any
) -> None:
    (whole,) = make_aligner(backbone, align, 100_000, 0).windows([text])
    (windows,) = make_aligner(backbone, align, window, int(window * share)).windows([text])
    cores = []
    for part in windows:
        assert len(part.input_ids) <= window
        assert len(part.unit_starts) <= UNITS_PER_TOKEN * window
        first, end = part.core
        assert 0 <= first < end <= len(part.unit_starts)
        ids = [part.input_ids[token] for token in part.unit_tokens]
        columns = (part.unit_starts, part.unit_ends, part.unit_characters, part.unit_places, part.unit_lengths, ids)
        cores += list(zip(*columns, strict=True))[first:end]
    expected = []
    for part in whole:
        ids = [part.input_ids[token] for token in part.unit_tokens]
        columns = (part.unit_starts, part.unit_ends, part.unit_characters, part.unit_places, part.unit_lengths, ids)
        expected += list(zip(*columns, strict=True))
    assert cores == expected


@every_alignment
@every_backbone
@pytest.mark.parametrize("overlap", [0, 1, 7, 8])
def test_align_windows_at_every_length(make_aligner: MakeAligner, backbone: str, align: str, overlap: int) -> None:
    aligner = make_aligner(backbone, align, 16, overlap)
    lengths = range(64)
    for length, windows in zip(lengths, aligner.windows(["王" * length for length in lengths]), strict=True):
        cores = [unit for window in windows for unit in units(window)[slice(*window.core)] if unit[0] < unit[1]]
        assert cores == [(i, i + 1) for i in range(length)]
        mark = align != "characters" and backbone == "unigram"  # a word mark is a token
        assert (len(windows) <= 1) == (length + mark <= 14)
        assert all(len(window.input_ids) == 16 for window in windows[:-1])


@every_alignment
@every_backbone
@settings(max_examples=40, deadline=None)
@given(data=st.data(), overlap=st.integers(0, 20))
def test_align_merge_gives_the_entities_of_one_window(
    make_aligner: MakeAligner, backbone: str, align: str, data: st.DataObject, overlap: int
) -> None:
    text = data.draw(long_texts)
    gold = data.draw(entities(text, longest=6))
    (whole,) = make_aligner(backbone, align, 100_000, 0).windows([text])
    (windows,) = make_aligner(backbone, align, 40, overlap).windows([text])
    one = merge((window, _expressed(window, gold)) for window in whole)
    many = merge((window, _expressed(window, gold)) for window in windows)
    assert set(many) <= set(one) <= set(gold)
    right = overlap - overlap // 2  # what a window sees beyond its core
    for entity in one:
        (window,) = whole
        first, end = window.units_of(entity) or (0, 0)
        if window.unit_tokens[end - 1] - window.unit_tokens[first] <= right:
            assert entity in many


def _expressed(window: Window, gold: tuple[Entity, ...]) -> list[Entity]:
    """What a faultless model would read in a window."""
    found = [window.units_of(entity) for entity in gold]
    read = [span and window.entity(*span, entity.type) for span, entity in zip(found, gold, strict=True)]
    return [entity for entity in read if entity is not None]


LONG = {
    "chinese": "我住在北京，目前是佛山公司的新经理。" * 5556,
    "letter": "a" * 100_000,  # one token of WordPiece
    "thai": "ก" * 100_000,  # one unknown token of Unigram
    "gap": "王" + " " * 99_998 + "王",
    "spaces": " " * 100_000,
    "unseen": "\u200b" * 100_000,
}


@pytest.mark.parametrize(
    ("backbone", "align", "name", "held"),
    [
        ("unigram", "characters", "chinese", True),
        ("wordpiece", "pieces", "chinese", True),
        ("unigram", "characters_over_pieces", "chinese", True),
        ("wordpiece", "characters_over_pieces", "letter", True),
        ("unigram", "characters_over_pieces", "thai", True),
        ("unigram", "characters_over_pieces", "gap", True),
        ("unigram", "characters", "spaces", True),
        ("wordpiece", "characters_over_pieces", "spaces", False),
        ("unigram", "pieces", "unseen", False),
    ],
)
def test_align_takes_100_000_characters(
    make_aligner: MakeAligner, backbone: str, align: str, name: str, held: bool
) -> None:
    (windows,) = make_aligner(backbone, align, 256, 64).windows([LONG[name]])
    assert all(len(window.input_ids) <= 256 for window in windows)
    assert all(len(window.unit_starts) <= UNITS_PER_TOKEN * 256 for window in windows)
    core = [unit for window in windows for unit in units(window)[slice(*window.core)]]
    assert sum(end - start for start, end in core) == len(LONG[name]) * held


@every_alignment
@every_backbone
def test_align_texts_do_not_touch_each_other(make_aligner: MakeAligner, backbone: str, align: str) -> None:
    aligner = make_aligner(backbone, align, 16, 4)
    some = ["北京公司" * 9, "", "2000年2月", " ", "New York", "[SEP]"]
    assert list(aligner.windows(some)) == [next(aligner.windows([text])) for text in some]
    assert list(aligner.windows([])) == []
    assert next(aligner.windows([""])) == []


@every_alignment
@every_backbone
def test_align_reads_the_same_after_it_was_saved_with_a_model(
    backbones: dict[str, Path], tmp_path: Path, backbone: str, align: str
) -> None:
    aligner = Aligner.from_backbone(backbones[backbone], align, 32, 8)
    aligner.tokenizer.save(tmp_path)
    loaded = Aligner(Tokenizer.load(tmp_path), align, 32, 8)
    some = [json.loads(path.read_text(encoding="utf-8"))["text"] for path in GOLDEN]
    assert list(loaded.windows(some)) == list(aligner.windows(some))


@pytest.mark.parametrize(
    ("config", "positions"),
    [
        ({"max_position_embeddings": 32}, 32),
        ({"max_position_embeddings": 34, "model_type": "xlm-roberta", "pad_token_id": 1}, 32),
        ({"max_position_embeddings": -1}, None),
        ({}, None),
    ],
)
def test_align_windows_are_no_longer_than_what_the_backbone_reads(
    backbones: dict[str, Path], tmp_path: Path, config: dict[str, Any], positions: int | None
) -> None:
    Tokenizer.load(backbones["wordpiece"]).save(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert Aligner.from_backbone(tmp_path, "pieces", 32, 8).window == 32
    if positions is None:
        assert Aligner.from_backbone(tmp_path, "pieces", 10_000, 8).window == 10_000
    else:
        with pytest.raises(
            ParamsError, match=rf"window: 33, and the backbone reads {positions} tokens; .*{positions} or"
        ):
            Aligner.from_backbone(tmp_path, "pieces", 33, 8)


# --- vocabularies of bytes


@pytest.fixture(scope="module")
def bytes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bytes")
    fetch(byte_level(folder / "source"), folder / "backbone")
    return folder / "backbone"


@pytest.mark.parametrize("align", ["characters", "characters_over_pieces"])
def test_align_refuses_characters_over_a_vocabulary_of_bytes(bytes_folder: Path, align: str) -> None:
    with pytest.raises(ParamsError, match=rf"tagging\.align: {align}, .*\(的 is ç ļ Ħ\), .*; set it to pieces"):
        Aligner.from_backbone(bytes_folder, align, 64, 16)


@pytest.mark.parametrize("text", ["广东佛山", "龘A 黄飞鸿2000年\n高强", "👨👩é王，", "山" * 200])
def test_align_pieces_of_bytes_are_one_unit_a_character(bytes_folder: Path, text: str) -> None:
    aligner = Aligner.from_backbone(bytes_folder, "pieces", 64, 16)
    (windows,) = aligner.windows([text])
    found = sorted({unit for window in windows for unit in units(window)[slice(*window.core)]})
    assert len(aligner.tokenizer.encode([text])[0]) > len(found)
    assert "".join(text[start:end] for start, end in found) == "".join(text.split())
    assert not any(window.input_ids.count(aligner.tokenizer.unk_id) for window in windows)


@pytest.mark.parametrize(("characters", "refused"), [("", True), ("的一是不了在人", True), (COMMON, False)])
def test_align_refuses_characters_if_most_fall_back_to_bytes(tmp_path: Path, characters: str, refused: bool) -> None:
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *characters]
    backend = Backend(models.Unigram([(piece, -1.0 * i) for i, piece in enumerate(pieces)], 3, byte_fallback=True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    specials = {"unk_token": "<unk>", "pad_token": "<pad>"}
    backend.add_special_tokens(list(specials.values()))
    Tokenizer(backend, specials).save(tmp_path)
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    Aligner.from_backbone(tmp_path, "pieces", 64, 16)
    if refused:
        with pytest.raises(ParamsError, match=r"tagging\.align: characters, .*<0x.*set it to pieces"):
            Aligner.from_backbone(tmp_path, "characters", 64, 16)
    else:
        assert only(Aligner.from_backbone(tmp_path, "characters", 64, 16), "我是龘").input_ids.count(3) == 1
