"""Sentences as JSON lines, and the folder of each split."""

import json
from pathlib import Path

import pytest

from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import write_checksums, write_json
from clue_ner.core.entities import Entity, Sentence, fingerprint, fingerprint_of_all
from clue_ner.core.sentences import (
    SPLITS,
    describe_corpus,
    from_record,
    read_sentences,
    read_split,
    to_record,
    write_sentences,
)

SENTENCES = [
    Sentence("1", "我在北京\u2028第二行\n第三行", (Entity(2, 4, "address"),)),
    Sentence("2", ""),
    Sentence("3", "😀\x00\x85", (Entity(0, 1, "name"), Entity(0, 3, "book"))),
]


def test_sentences_come_back_as_they_were(tmp_path: Path) -> None:
    write_sentences(tmp_path / "deep/er/train.jsonl", SENTENCES)
    assert read_sentences(tmp_path / "deep/er/train.jsonl") == SENTENCES
    assert (tmp_path / "deep/er/train.jsonl").read_bytes().count(b"\n") == len(SENTENCES)
    assert [path.name for path in (tmp_path / "deep/er").iterdir()] == ["train.jsonl"]


def test_sentences_record_lists_what_is_documented() -> None:
    record = to_record(SENTENCES[0])
    assert record == {
        "id": "1",
        "text": SENTENCES[0].text,
        "entities": [{"type": "address", "start": 2, "end": 4}],
    }
    assert from_record(json.loads(json.dumps(record))) == SENTENCES[0]


@pytest.mark.parametrize(
    "damage",
    [b"{", b"[]", b'{"id": "1"}', b'{"id": "1", "text": "", "entities": [3]}', b"\xff\xfe", b"", b"[" * 100_000],
)
def test_sentences_read_names_the_damaged_line(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "train.jsonl"
    write_sentences(path, SENTENCES)
    path.write_bytes(path.read_bytes() + damage + b"\n")
    with pytest.raises(ArtifactError, match=r"train\.jsonl:4: damaged record .*dvc repro"):
        read_sentences(path)


def test_sentences_read_says_which_stage_to_run_for_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"absent: no such file; run the stage that makes it with `dvc repro`"):
        read_sentences(tmp_path / "absent")


# --- splits


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A pipeline's root with three splits, each of one of the sentences."""
    for folder, splits in (("corpus", {"train": 0, "valid": 1}), ("test", {"test": 2})):
        described = {}
        for split, number in splits.items():
            write_sentences(tmp_path / "data" / folder / f"{split}.jsonl", [SENTENCES[number]])
            described[split] = {"sentences": 1, "fingerprint": fingerprint([SENTENCES[number]])}
        found = fingerprint_of_all({name: str(split["fingerprint"]) for name, split in described.items()})
        corpus = {"name": "tiny", "types": ["address"], "splits": described, "fingerprint": found}
        write_json(tmp_path / "data" / folder / "corpus.json", corpus)
        write_checksums(tmp_path / "data" / folder)
    return tmp_path


def test_sentences_of_each_split_lie_in_its_folder(root: Path) -> None:
    assert {split: read_split(root, split) for split in SPLITS} == {
        "train": [SENTENCES[0]],
        "valid": [SENTENCES[1]],
        "test": [SENTENCES[2]],
        "unlabelled": None,
    }


def test_sentences_of_a_damaged_split_are_not_read(root: Path) -> None:
    write_sentences(root / "data/test/test.jsonl", SENTENCES)
    with pytest.raises(ArtifactError, match=r"data/test/test\.jsonl: damaged .*dvc repro"):
        read_split(root, "test")
    assert read_split(root, "train") == [SENTENCES[0]], "the other folder is whole"


def test_sentences_are_described_as_one_corpus(root: Path) -> None:
    described = describe_corpus(root)
    assert list(described["splits"]) == ["train", "valid", "test"]
    own = {name: split["fingerprint"] for name, split in described["splits"].items()}
    assert own == {name: fingerprint([SENTENCES[n]]) for n, name in enumerate(("train", "valid", "test"))}
    assert described["fingerprint"] == fingerprint_of_all({name: own[name] for name in ("train", "valid")})
    assert described["fingerprint_all"] == fingerprint_of_all(own)
    assert described["types"] == ["address"], "the types that can be learned"


@pytest.mark.parametrize("folder", ["corpus", "test"])
def test_sentences_are_not_described_by_a_damaged_file(root: Path, folder: str) -> None:
    path = root / "data" / folder / "corpus.json"
    path.write_text(path.read_text(encoding="utf-8").replace("tiny", "tine"), encoding="utf-8")
    with pytest.raises(ArtifactError, match=rf"data/{folder}/corpus\.json: damaged"):
        describe_corpus(root)
