"""Sentences as rows for training: what is on them comes back, and what is not is counted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.strategies import entities, texts

from clue_ner.alignment.aligner import Aligner
from clue_ner.alignment.encode import Report, encode, read_rows, write_rows
from clue_ner.common.errors import ArtifactError
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.schemes import SCHEMES

TAGS = SCHEMES["BIO"].tags(["LOC", "PER"])
MakeAligner = Callable[..., Aligner]


def rows_of(
    sentences: list[Sentence], aligner: Aligner, scheme: str = "BIO"
) -> tuple[list[dict[str, Any]], Report, list[str]]:
    report, tags = Report(), SCHEMES[scheme].tags(["LOC", "PER"])
    return list(encode(sentences, aligner, SCHEMES[scheme], tags, report)), report, tags


def test_encode_says_tokens_units_and_labels(make_aligner: MakeAligner) -> None:
    sentence = Sentence("1", "王德发2000年在北京。", (Entity(0, 3, "PER"), Entity(9, 11, "LOC")))
    ((row,), report, _) = rows_of([sentence], make_aligner("wordpiece", "pieces"))
    vocabulary = make_aligner("wordpiece", "pieces").tokenizer.get_vocab()
    tokens = ["[CLS]", "王", "德", "发", "2000", "年", "在", "北", "京", "。", "[SEP]"]
    assert row == {
        "sentence": 0,
        "input_ids": [vocabulary[token] for token in tokens],
        "unit_starts": [0, 1, 2, 3, 7, 8, 9, 10, 11],
        "unit_ends": [1, 2, 3, 7, 8, 9, 10, 11, 12],
        "unit_tokens": [1, 2, 3, 4, 5, 6, 7, 8, 9],
        "unit_characters": [0] * 9,
        "unit_places": [0] * 9,
        "unit_lengths": [0] * 9,
        "entities": [{"start": 0, "end": 3, "type": "PER"}, {"start": 6, "end": 8, "type": "LOC"}],
        "labels": [TAGS.index(tag) for tag in ["B-PER", "I-PER", "I-PER", "O", "O", "O", "B-LOC", "I-LOC", "O"]],
    }
    assert report == Report(sentences=1, windows=1, characters=12, tokens=11, units=9, entities=2)


def test_encode_characters_over_pieces_tells_the_characters_of_a_piece_apart(make_aligner: MakeAligner) -> None:
    aligner = make_aligner("wordpiece", "characters_over_pieces")
    ((row,), _, _) = rows_of([Sentence("1", "在2000年", ())], aligner)
    vocabulary = aligner.tokenizer.get_vocab()
    characters = [vocabulary[piece] for piece in ("在", "2", "##0", "##0", "##0", "年")]
    assert row["unit_tokens"] == [1, 2, 2, 2, 2, 3]
    assert row["unit_characters"] == characters
    assert row["unit_places"] == [0, 0, 1, 2, 3, 0]
    assert row["unit_lengths"] == [0, 3, 3, 3, 3, 0]


def test_encode_counts_what_no_unit_says(make_aligner: MakeAligner) -> None:
    sentence = Sentence("7", "2000年的20", (Entity(0, 2, "LOC"), Entity(4, 5, "PER")))
    ((row,), report, _) = rows_of([sentence], make_aligner("wordpiece", "pieces"))
    assert [entity["type"] for entity in row["entities"]] == ["PER"]
    assert (report.entities, report.inexpressible, report.overlapping) == (2, 1, 0)
    place = {"reason": "begins or ends inside a unit", "id": "7", "type": "LOC", "start": 0, "end": 2}
    tokens = ["[CLS]", "2000", "年", "的", "2", "##0", "[SEP]"]
    assert report.lost == [{**place, "entity": "20", "text": "2000年的20", "tokens": tokens}]
    assert report.metrics() == {
        "sentences": 1,
        "windows": 1,
        "characters": 8,
        "tokens": 7,
        "units": 5,
        "unknown_tokens": 0,
        "entities": 2,
        "inexpressible": 1,
        "overlapping": 0,
        "examples": [place],  # no text, for metrics are committed
    }


def test_encode_says_that_no_window_holds_an_entity(make_aligner: MakeAligner) -> None:
    sentence = Sentence("1", "北" * 30, (Entity(2, 28, "ORG"), Entity(28, 30, "LOC")))
    _, report, _ = rows_of([sentence], make_aligner("wordpiece", "characters", 16, 4))
    assert [(e["reason"], e["type"]) for e in report.lost] == [("no window holds all of it", "ORG")]


def test_encode_labels_the_longer_of_two_that_overlap_and_keeps_both(make_aligner: MakeAligner) -> None:
    nested = Sentence("1", "北京公司的王德发", (Entity(0, 2, "LOC"), Entity(0, 4, "PER"), Entity(5, 8, "PER")))
    ((row,), report, _) = rows_of([nested], make_aligner("unigram", "characters"))
    assert [(e["start"], e["end"]) for e in row["entities"]] == [(0, 2), (0, 4), (5, 8)]
    labels = [TAGS[label] for label in row["labels"]]
    assert SCHEMES["BIO"].decode(labels) == [(0, 4, "PER"), (5, 8, "PER")]
    assert (report.entities, report.overlapping, report.inexpressible) == (3, 1, 0)
    assert [(e["reason"], e["entity"]) for e in report.lost] == [("overlaps a longer entity", "北京")]


def test_encode_counts_an_overlapping_entity_that_no_unit_says_once(make_aligner: MakeAligner) -> None:
    nested = Sentence("1", "2000年", (Entity(0, 2, "LOC"), Entity(0, 5, "PER")))
    ((row,), report, _) = rows_of([nested], make_aligner("wordpiece", "pieces"))
    assert [(e["start"], e["end"]) for e in row["entities"]] == [(0, 2)]
    assert (report.entities, report.overlapping, report.inexpressible) == (2, 0, 1)
    assert [entry["reason"] for entry in report.lost] == ["begins or ends inside a unit"]


def test_encode_lists_the_first_examples_and_counts_all(make_aligner: MakeAligner) -> None:
    sentences = [Sentence(str(i), "2000", (Entity(1, 2, "LOC"),)) for i in range(25)]
    _, report, _ = rows_of(sentences, make_aligner("wordpiece", "pieces"))
    assert (report.inexpressible, len(report.lost), len(report.metrics()["examples"])) == (25, 25, 10)
    assert [example["id"] for example in report.metrics(3)["examples"]] == ["0", "1", "2"]


def test_encode_counts_unknown_tokens_and_windows(make_aligner: MakeAligner) -> None:
    sentences = [Sentence("1", "龘北龘"), Sentence("2", ""), Sentence("3", "北" * 30)]
    rows, report, _ = rows_of(sentences, make_aligner("wordpiece", "characters", 16, 4))
    assert [row["sentence"] for row in rows] == [0, 2, 2, 2]
    assert (report.sentences, report.windows, report.unknown_tokens) == (3, 4, 2)
    assert report.characters == 33
    assert report.units == sum(len(row["labels"]) for row in rows)


@pytest.mark.parametrize("align", ["characters", "pieces", "characters_over_pieces"])
@pytest.mark.parametrize("backbone", ["unigram", "wordpiece"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_encode_entities_are_on_the_rows_or_counted(
    make_aligner: MakeAligner, backbone: str, align: str, data: st.DataObject
) -> None:
    scheme, sentences = data.draw(st.sampled_from(sorted(SCHEMES))), []
    for number, text in enumerate(data.draw(st.lists(texts, min_size=1, max_size=3))):
        sentences.append(Sentence(str(number), text, data.draw(entities(text))))
    rows, report, tags = rows_of(sentences, make_aligner(backbone, align), scheme)
    found = set()
    for row in rows:
        decoded = SCHEMES[scheme].decode([tags[label] for label in row["labels"]])
        assert decoded == [(e["start"], e["end"], e["type"]) for e in row["entities"]]
        for first, end, type_ in decoded:
            held = [u for u in range(first, end) if row["unit_starts"][u] < row["unit_ends"][u]]
            entity = Entity(row["unit_starts"][held[0]], row["unit_ends"][held[-1]], type_)
            assert entity in sentences[row["sentence"]].entities
            found.add((row["sentence"], entity))
    assert report.entities == sum(len(sentence.entities) for sentence in sentences)
    assert report.overlapping == 0
    assert len(found) + report.inexpressible == report.entities
    assert len(report.lost) == report.inexpressible


def test_encode_rows_come_back_from_arrow_with_the_same_bytes(make_aligner: MakeAligner, tmp_path: Path) -> None:
    sentences = [
        Sentence(str(i), "王德发在北京公司" * (i % 7), (Entity(0, 3, "PER"),) * (i % 7 > 0)) for i in range(30)
    ]
    rows, _, _ = rows_of(sentences, make_aligner("unigram", "characters_over_pieces", 16, 4))
    for name in ("a.arrow", "b.arrow"):
        write_rows(tmp_path / name, iter(rows))
    assert read_rows(tmp_path / "a.arrow").to_list() == rows
    assert (tmp_path / "a.arrow").read_bytes() == (tmp_path / "b.arrow").read_bytes()


def test_encode_no_rows_are_read_as_no_rows(tmp_path: Path) -> None:
    write_rows(tmp_path / "none.arrow", iter([]))
    rows = read_rows(tmp_path / "none.arrow")
    assert len(rows) == 0
    assert {"input_ids", "labels", "entities"} <= set(rows.column_names)


def test_encode_read_rows_names_the_stage_to_run(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"train\.arrow: no such file; run `dvc repro tokenize_align`"):
        read_rows(tmp_path / "train.arrow")
