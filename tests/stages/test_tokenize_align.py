"""The tokenize_align stage: sentences and a tokenizer in, the examples of train and counts out."""

import json
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.changed_params import write_params
from support.places import ROOT

from clue_ner.alignment.aligner import Aligner
from clue_ner.alignment.encode import read_examples
from clue_ner.alignment.tokenizer import Tokenizer
from clue_ner.common.errors import ArtifactError, ParamsError
from clue_ner.common.files import read_json, write_checksums, write_json
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.sentences import write_sentences
from clue_ner.core.tag_map import tag_map

main = runpy.run_path(str(ROOT / "stages/tokenize_align.py"))["main"]
TRAIN = [
    Sentence("train-0", "王德发2000年在北京。", (Entity(0, 3, "name"), Entity(9, 11, "address"))),
    Sentence("train-1", "我看电影"),
    Sentence("train-2", "2000在2000", (Entity(0, 2, "name"), Entity(5, 9, "name"))),
]
VALID = [Sentence("valid-0", "目前在佛山公司", (Entity(3, 7, "company"),))]


@pytest.fixture
def root(tmp_path: Path, backbones: dict[str, Path]) -> Path:
    """A pipeline's root before the stage: corpus, tags, and the WordPiece backbone; there is no data/test."""
    write_params(tmp_path, tagging={"align": "pieces", "window": 64, "overlap": 16})
    write_sentences(tmp_path / "data/corpus/train.jsonl", TRAIN)
    write_sentences(tmp_path / "data/corpus/valid.jsonl", VALID)
    write_json(tmp_path / "data/corpus/corpus.json", {"types": ["address", "company", "name"]})
    write_checksums(tmp_path / "data/corpus")
    write_json(tmp_path / "data/tags.json", tag_map("BIO", ["address", "company", "name"]))
    shutil.copytree(backbones["wordpiece"], tmp_path / "data/backbone")
    write_checksums(tmp_path / "data/backbone")
    return tmp_path


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_tokenize_align_writes_the_examples_of_train_only(root: Path) -> None:
    main(root)
    assert sorted(path.name for path in (root / "data/encoded").glob("*.arrow")) == ["train.arrow"]
    examples = read_examples(root / "data/encoded/train.arrow")
    tags = read_json(root / "data/tags.json")["tags"]
    assert len(examples) == 3
    assert [tags[label] for label in examples[0].labels] == [
        "B-name",
        "I-name",
        "I-name",
        "O",
        "O",
        "O",
        "B-address",
        "I-address",
        "O",
    ]
    assert [tags[label] for label in examples[1].labels] == ["O"] * 4
    assert [tags[label] for label in examples[2].labels] == ["O", "O", "B-name"]


def test_tokenize_align_counts_what_was_lost_and_keeps_text_out_of_the_metrics(root: Path) -> None:
    main(root)
    metrics = read_json(root / "metrics/alignment.json")
    assert set(metrics) == {"train", "valid", "warnings"}
    assert [text.split(" (")[0] for text in metrics["warnings"]] == ["train: 1 of 4 entities"]
    counts: dict[str, Any] = {"sentences": 3, "entities": 4, "inexpressible": 1, "overlapping": 0, "windows": 3}
    assert counts.items() <= metrics["train"].items()
    assert metrics["train"]["examples"] == [
        {"reason": "begins or ends inside a unit", "id": "train-2", "type": "name", "start": 0, "end": 2}
    ]
    assert {"sentences": 1, "entities": 1, "inexpressible": 0, "windows": 1}.items() <= metrics["valid"].items()
    written = json.dumps(metrics, ensure_ascii=False)
    assert not any(sentence.text in written or sentence.text[:2] in written for sentence in [*TRAIN, *VALID])
    (lost,) = read_json(root / "data/encoded/lost.json")["train"]
    assert (lost["entity"], lost["text"]) == ("20", "2000在2000")


@pytest.mark.parametrize("align", ["characters", "pieces", "characters_over_pieces"])
def test_tokenize_align_keeps_the_tokenizer_that_reads_the_same(root: Path, align: str) -> None:
    write_params(root, tagging={"align": align, "window": 64, "overlap": 16})
    main(root)
    aligner = Aligner(Tokenizer.load(root / "data/encoded/tokenizer"), align, 64, 16)
    examples = read_examples(root / "data/encoded/train.arrow")
    windows = [window for of_text in aligner.windows([s.text for s in TRAIN]) for window in of_text]
    for column in ("input_ids", "unit_tokens", "unit_characters", "unit_places", "unit_lengths"):
        assert [getattr(example, column) for example in examples] == [getattr(window, column) for window in windows]


@pytest.mark.parametrize(("kind", "room"), [("bert", 48), ("xlm-roberta", 46)])
def test_tokenize_align_refuses_windows_that_the_backbone_cannot_read(root: Path, kind: str, room: int) -> None:
    path = root / "data/backbone/config.json"
    write_json(path, read_json(path) | {"max_position_embeddings": 48, "model_type": kind, "pad_token_id": 1})
    write_checksums(root / "data/backbone")
    with pytest.raises(ParamsError, match=rf"tagging\.window: 64, and the backbone reads {room} tokens"):
        main(root)
    write_params(root, tagging={"align": "pieces", "window": room, "overlap": 16})
    main(root)


def test_tokenize_align_gives_the_same_bytes_again(root: Path) -> None:
    main(root)
    first = content(root / "data/encoded") | content(root / "metrics")
    main(root)
    assert content(root / "data/encoded") | content(root / "metrics") == first


def test_tokenize_align_of_a_corpus_without_valid_counts_train_only(root: Path) -> None:
    (root / "data/corpus/valid.jsonl").unlink()
    write_checksums(root / "data/corpus")
    main(root)
    assert set(read_json(root / "metrics/alignment.json")) == {"train", "warnings"}
    assert set(read_json(root / "data/encoded/lost.json")) == {"train"}


def test_tokenize_align_leaves_the_old_examples_if_it_fails(root: Path) -> None:
    main(root)
    first = content(root / "data/encoded")
    with (root / "data/corpus/valid.jsonl").open("a", encoding="utf-8") as stream:
        stream.write("{\n")
    write_checksums(root / "data/corpus")
    with pytest.raises(ArtifactError, match=r"valid\.jsonl:2: damaged record"):
        main(root)
    assert content(root / "data/encoded") == first
    assert sorted(path.name for path in (root / "data").iterdir()) == ["backbone", "corpus", "encoded", "tags.json"]
