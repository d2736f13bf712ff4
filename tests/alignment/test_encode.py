"""Sentences as examples for training: what is on them comes back, and what is not is counted."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.damage import truncate
from support.strategies import entities, texts

from clue_ner.alignment.aligner import Aligner
from clue_ner.alignment.batch import collate
from clue_ner.alignment.encode import (
    EXAMPLE_COLUMNS,
    Example,
    Report,
    collate_examples,
    count,
    encode,
    read_examples,
    write_examples,
)
from clue_ner.alignment.windows import COLUMNS, UNIT_COLUMNS, Window
from clue_ner.common.errors import ArtifactError
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.schemes import SCHEMES

TAGS = SCHEMES["BIO"].tags(["LOC", "PER"])
MakeAligner = Callable[..., Aligner]


def examples_of(
    sentences: list[Sentence], aligner: Aligner, scheme: str = "BIO"
) -> tuple[list[Example], Report, list[str]]:
    report, tags = Report(), SCHEMES[scheme].tags(["LOC", "PER"])
    return list(encode(sentences, aligner, SCHEMES[scheme], tags, report)), report, tags


def windows_of(sentences: list[Sentence], aligner: Aligner) -> list[tuple[int, Window]]:
    """The number of the sentence and the window of each example."""
    found = aligner.windows([sentence.text for sentence in sentences])
    return [(number, window) for number, windows in enumerate(found) for window in windows]


def test_encode_says_tokens_units_and_labels(make_aligner: MakeAligner) -> None:
    sentence = Sentence("1", "王德发2000年在北京。", (Entity(0, 3, "PER"), Entity(9, 11, "LOC")))
    ((example,), report, _) = examples_of([sentence], make_aligner("wordpiece", "pieces"))
    vocabulary = make_aligner("wordpiece", "pieces").tokenizer.vocabulary()
    tokens = ["[CLS]", "王", "德", "发", "2000", "年", "在", "北", "京", "。", "[SEP]"]
    assert asdict(example) == {
        "input_ids": [vocabulary[token] for token in tokens],
        "unit_tokens": [1, 2, 3, 4, 5, 6, 7, 8, 9],
        "unit_characters": [0] * 9,
        "unit_places": [0] * 9,
        "unit_lengths": [0] * 9,
        "entities": [(0, 3, 1), (6, 8, 0)],
        "labels": [TAGS.index(tag) for tag in ["B-PER", "I-PER", "I-PER", "O", "O", "O", "B-LOC", "I-LOC", "O"]],
    }
    assert report == Report(sentences=1, windows=1, characters=12, tokens=11, units=9, entities=2)


def test_encode_characters_over_pieces_distinguishes_the_characters_of_a_piece(make_aligner: MakeAligner) -> None:
    aligner = make_aligner("wordpiece", "characters_over_pieces")
    ((example,), _, _) = examples_of([Sentence("1", "在2000年", ())], aligner)
    vocabulary = aligner.tokenizer.vocabulary()
    characters = [vocabulary[piece] for piece in ("在", "2", "##0", "##0", "##0", "年")]
    assert example.unit_tokens == [1, 2, 2, 2, 2, 3]
    assert example.unit_characters == characters
    assert example.unit_places == [0, 0, 1, 2, 3, 0]
    assert example.unit_lengths == [0, 3, 3, 3, 3, 0]


def test_encode_counts_what_no_unit_says(make_aligner: MakeAligner) -> None:
    sentence = Sentence("7", "2000年的20", (Entity(0, 2, "LOC"), Entity(4, 5, "PER")))
    ((example,), report, _) = examples_of([sentence], make_aligner("wordpiece", "pieces"))
    assert example.entities == [(1, 2, 1)]
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
        "unknown_characters": 0,
        "entities": 2,
        "inexpressible": 1,
        "overlapping": 0,
        "examples": [place],  # no text, for metrics are committed
    }


def test_encode_says_that_no_window_holds_an_entity(make_aligner: MakeAligner) -> None:
    sentence = Sentence("1", "北" * 30, (Entity(2, 28, "ORG"), Entity(28, 30, "LOC")))
    _, report, _ = examples_of([sentence], make_aligner("wordpiece", "characters", 16, 4))
    assert [(e["reason"], e["type"]) for e in report.lost] == [("no window holds all of it", "ORG")]


def test_encode_labels_the_longer_of_two_that_overlap_and_keeps_both(make_aligner: MakeAligner) -> None:
    nested = Sentence("1", "北京公司的王德发", (Entity(0, 2, "LOC"), Entity(0, 4, "PER"), Entity(5, 8, "PER")))
    ((example,), report, _) = examples_of([nested], make_aligner("unigram", "characters"))
    assert example.entities == [(0, 2, 0), (0, 4, 1), (5, 8, 1)]
    labels = [TAGS[label] for label in example.labels]
    assert SCHEMES["BIO"].decode(labels) == [(0, 4, "PER"), (5, 8, "PER")]
    assert (report.entities, report.overlapping, report.inexpressible) == (3, 1, 0)
    assert [(e["reason"], e["entity"]) for e in report.lost] == [("overlaps a longer entity", "北京")]


def test_encode_counts_an_overlapping_entity_that_no_unit_says_once(make_aligner: MakeAligner) -> None:
    nested = Sentence("1", "2000年", (Entity(0, 2, "LOC"), Entity(0, 5, "PER")))
    ((example,), report, _) = examples_of([nested], make_aligner("wordpiece", "pieces"))
    assert [(start, end) for start, end, _ in example.entities] == [(0, 2)]
    assert (report.entities, report.overlapping, report.inexpressible) == (2, 0, 1)
    assert [entry["reason"] for entry in report.lost] == ["begins or ends inside a unit"]


def test_encode_lists_the_first_examples_and_counts_all(make_aligner: MakeAligner) -> None:
    sentences = [Sentence(str(i), "2000", (Entity(1, 2, "LOC"),)) for i in range(25)]
    _, report, _ = examples_of(sentences, make_aligner("wordpiece", "pieces"))
    assert (report.inexpressible, len(report.lost), len(report.metrics()["examples"])) == (25, 25, 10)
    assert [example["id"] for example in report.metrics(3)["examples"]] == ["0", "1", "2"]


def test_encode_counts_unknown_tokens_and_windows(make_aligner: MakeAligner) -> None:
    sentences = [Sentence("1", "龘北龘"), Sentence("2", ""), Sentence("3", "北" * 30)]
    aligner = make_aligner("wordpiece", "characters", 16, 4)
    examples, report, _ = examples_of(sentences, aligner)
    assert [number for number, _ in windows_of(sentences, aligner)] == [0, 2, 2, 2]
    assert len(examples) == 4
    assert (report.sentences, report.windows, report.unknown_tokens) == (3, 4, 2)
    assert report.characters == 33
    assert report.units == sum(len(example.labels) for example in examples)
    assert report.tokens == sum(len(example.input_ids) for example in examples)


def test_encode_warns_of_what_the_vocabulary_lacks(make_aligner: MakeAligner) -> None:
    sentences = [Sentence("1", "龘北北北北"), Sentence("2", "北" * 10)]
    for align in ("characters", "pieces", "characters_over_pieces"):
        _, report, _ = examples_of(sentences, make_aligner("wordpiece", align))
        lines = list(report.warnings("valid"))
        assert lines[0].startswith(f"valid: 1 of {report.tokens} tokens (5.3%) are not in the backbone's vocabulary")
        assert len(lines) == (2 if align == "characters_over_pieces" else 1)
        assert lines[-1].startswith("valid: 1 of 15 characters (6.7%)") or align != "characters_over_pieces"
    _, report, _ = examples_of([*sentences, Sentence("3", "北" * 200)], make_aligner("wordpiece", "characters"))
    assert list(report.warnings("train")) == []


def test_encode_warns_of_entities_that_no_units_hold(make_aligner: MakeAligner) -> None:
    sentences = [Sentence("1", "2000", (Entity(1, 2, "LOC"),))]
    sentences += [Sentence(str(i), "北北", (Entity(0, 1, "LOC"),)) for i in range(98)]
    _, report, _ = examples_of(sentences, make_aligner("wordpiece", "pieces"))
    (line,) = report.warnings("train")
    assert line.startswith("train: 1 of 99 entities (1.0%) begin or end inside a unit")
    _, report, _ = examples_of([*sentences, *sentences[1:3]], make_aligner("wordpiece", "pieces"))
    assert list(report.warnings("train")) == []


@pytest.mark.parametrize("align", ["characters", "pieces", "characters_over_pieces"])
@pytest.mark.parametrize("backbone", ["unigram", "wordpiece"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_encode_entities_are_on_the_examples_or_counted(
    make_aligner: MakeAligner, backbone: str, align: str, data: st.DataObject
) -> None:
    scheme, sentences = data.draw(st.sampled_from(sorted(SCHEMES))), []
    for number, text in enumerate(data.draw(st.lists(texts, min_size=1, max_size=3))):
        sentences.append(Sentence(str(number), text, data.draw(entities(text))))
    aligner = make_aligner(backbone, align)
    examples, report, tags = examples_of(sentences, aligner, scheme)
    found = set()
    for example, (number, window) in zip(examples, windows_of(sentences, aligner), strict=True):
        assert [getattr(example, name) for name in COLUMNS] == [getattr(window, name) for name in COLUMNS]
        decoded = SCHEMES[scheme].decode([tags[label] for label in example.labels])
        assert decoded == [(start, end, ["LOC", "PER"][type_]) for start, end, type_ in example.entities]
        for first, end, type_ in decoded:
            held = [u for u in range(first, end) if window.unit_starts[u] < window.unit_ends[u]]
            entity = Entity(window.unit_starts[held[0]], window.unit_ends[held[-1]], type_)
            assert entity in sentences[number].entities
            found.add((number, entity))
    assert report.entities == sum(len(sentence.entities) for sentence in sentences)
    assert report.overlapping == 0
    assert len(found) + report.inexpressible == report.entities
    assert len(report.lost) == report.inexpressible
    assert count(sentences, aligner) == report


def test_encode_count_takes_types_that_no_tag_has(make_aligner: MakeAligner) -> None:
    aligner = make_aligner("wordpiece", "pieces")
    strange = Sentence("1", "北京2000年", (Entity(0, 2, "CITY"), Entity(2, 4, "CITY")))
    report = count([strange, Sentence("2", "")], aligner)
    assert (report.sentences, report.windows, report.entities, report.inexpressible) == (2, 1, 2, 1)


# --- the file of a split


numbers = st.integers(-(2**31), 2**31 - 1)


@st.composite
def any_examples(draw: st.DrawFn) -> list[Example]:
    lists, spans = st.lists(numbers, max_size=4), st.lists(st.tuples(numbers, numbers, numbers), max_size=3)
    fields = {name: spans if name == "entities" else lists for name in EXAMPLE_COLUMNS}
    return draw(st.lists(st.builds(Example, **fields), max_size=4))


@settings(max_examples=40, deadline=None)
@given(examples=any_examples())
def test_encode_examples_come_back_from_their_file(tmp_path_factory: pytest.TempPathFactory, examples: Any) -> None:
    folder = tmp_path_factory.mktemp("examples")
    for name in ("a.arrow", "b.arrow"):
        write_examples(folder / name, iter(examples))
    assert read_examples(folder / "a.arrow") == examples
    assert (folder / "a.arrow").read_bytes() == (folder / "b.arrow").read_bytes()


def written(folder: Path, make_aligner: MakeAligner, sentences: int = 30) -> tuple[Path, list[Example]]:
    """A file of examples, and these."""
    some = [
        Sentence(str(i), "王德发在北京公司" * (i % 7), (Entity(0, 3, "PER"),) * (i % 7 > 0)) for i in range(sentences)
    ]
    examples, _, _ = examples_of(some, make_aligner("unigram", "characters_over_pieces", 16, 4))
    write_examples(folder / "train.arrow", iter(examples))
    return folder / "train.arrow", examples


def test_encode_examples_of_several_batches_come_back_with_the_same_bytes(
    make_aligner: MakeAligner, tmp_path: Path
) -> None:
    path, examples = written(tmp_path, make_aligner, 700)
    assert len(examples) > 1000
    assert read_examples(path) == examples
    write_examples(tmp_path / "again.arrow", iter(read_examples(path)))
    assert (tmp_path / "again.arrow").read_bytes() == path.read_bytes()


def test_encode_no_examples_are_read_as_none(tmp_path: Path) -> None:
    write_examples(tmp_path / "none.arrow", iter([]))
    assert read_examples(tmp_path / "none.arrow") == []


def test_encode_read_examples_names_the_stage_to_run(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"train\.arrow: no such file; run `dvc repro tokenize_align`"):
        read_examples(tmp_path / "train.arrow")


@pytest.mark.parametrize("damage", ["truncated", "empty", "no arrow", "other columns", "header"])
def test_encode_read_examples_refuses_a_damaged_file(make_aligner: MakeAligner, tmp_path: Path, damage: str) -> None:
    path, _ = written(tmp_path, make_aligner)
    if damage == "truncated":
        truncate(path)
        truncate(path)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "no arrow":
        path.write_text('{"input_ids": [1]}\n' * 50, encoding="utf-8")
    elif damage == "header":
        path.write_bytes(b"\xff" * 20 + path.read_bytes()[20:])
    else:
        import pyarrow as pa

        table = pa.table({"input_ids": [[1, 2]], "labels": [[0]], "sentence": [1]})
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    with pytest.raises(ArtifactError, match=r"train\.arrow: damaged, not encoded examples \(.*dvc repro"):
        read_examples(path)


# --- batches of examples


def test_encode_collate_adds_labels_and_entities(make_aligner: MakeAligner) -> None:
    sentences = [
        Sentence("1", "王德发目前住在北京", (Entity(0, 3, "PER"), Entity(7, 9, "LOC"))),
        Sentence("2", "我"),
        Sentence("3", "北京公司", (Entity(0, 2, "LOC"),)),
    ]
    examples, _, _ = examples_of(sentences, make_aligner("wordpiece", "characters"))
    batch = collate_examples(examples, 1)
    plain = collate(examples, 1)
    assert batch.keys() == plain.keys() | {"labels", "entities"}
    assert all(np.array_equal(batch[name], plain[name]) for name in plain)
    labels = [[TAGS.index(tag) for tag in tags.split()] for tags in ("B-PER I-PER I-PER O O O O B-LOC I-LOC", "O")]
    assert batch["labels"].tolist() == [labels[0], [0] * 9, [*labels[0][-2:], *[0] * 7]]
    assert batch["entities"].tolist() == [
        [[0, 3, 1], [7, 9, 0]],
        [[-1, -1, -1], [-1, -1, -1]],
        [[0, 2, 0], [-1, -1, -1]],
    ]
    assert {batch[name].dtype for name in ("labels", "entities")} == {np.dtype(np.int64)}
    assert collate_examples(examples[1:2], 1)["entities"].shape == (1, 0, 3)


def test_encode_collate_takes_examples_that_were_read_from_their_file(
    make_aligner: MakeAligner, tmp_path: Path
) -> None:
    path, examples = written(tmp_path, make_aligner)
    ours, theirs = collate_examples(examples, 1), collate_examples(read_examples(path), 1)
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    assert set(ours) > set(UNIT_COLUMNS)
