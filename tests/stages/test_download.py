"""The download stage: what is trained on and what is tested on in folders of their own."""

import json
import logging
import os
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.changed_params import write_params
from support.places import ROOT

from clue_ner.common.errors import CorpusError
from clue_ner.common.files import read_json, verify_checksums
from clue_ner.core.entities import Sentence, fingerprint
from clue_ner.core.sentences import describe_corpus, read_sentences
from clue_ner.corpora import cluener

MIRROR = os.environ.get("CLUENER_MIRROR", "")
main: Callable[[Path], None] = runpy.run_path(str(ROOT / "stages/download.py"))["main"]


def outs(root: Path) -> dict[str, bytes]:
    paths = [path for folder in ("data", "metrics") for path in (root / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def read(root: Path, name: str) -> list[Sentence]:
    return read_sentences(root / "data" / name)


def test_download_writes_the_sample_corpus(tmp_path: Path) -> None:
    write_params(tmp_path, corpus={"name": "sample", "path": None})
    main(tmp_path)
    first = outs(tmp_path)
    assert sorted(first) == [
        "data/corpus/checksums.json",
        "data/corpus/corpus.json",
        "data/corpus/train.jsonl",
        "data/corpus/valid.jsonl",
        "data/test/checksums.json",
        "data/test/corpus.json",
        "data/test/test.jsonl",
        "metrics/corpus.json",
    ]
    for folder, splits in (("corpus", ["train", "valid"]), ("test", ["test"])):
        verify_checksums(tmp_path / "data" / folder, "")
        described = json.loads(first[f"data/{folder}/corpus.json"])
        assert (described["name"], len(described["types"])) == ("sample", 10)
        assert list(described["splits"]) == splits
        for split, values in described["splits"].items():
            sentences = read(tmp_path, f"{folder}/{split}.jsonl")
            assert (len(sentences), fingerprint(sentences)) == (values["sentences"], values["fingerprint"])
    metrics = json.loads(first["metrics/corpus.json"])
    assert metrics["splits"]["valid"]["sentences"] == 76
    assert metrics["warnings"] == []
    main(tmp_path)
    assert outs(tmp_path) == first


# --- a corpus of one's own


def record(text: str, *entities: tuple[str, int, int]) -> dict[str, Any]:
    return {"text": text, "entities": [{"type": type_, "start": s, "end": e} for type_, s, e in entities]}


TRAIN = [record(f"第{i}句在北京", ("address", 4, 6)) for i in range(9)]
VALID = [record("李雷在上海", ("name", 0, 2), ("address", 3, 5))]
TEST = [record("韩梅梅读《边城》", ("name", 0, 3), ("book", 4, 8))]


@pytest.fixture
def download(tmp_path: Path) -> Callable[..., dict[str, bytes]]:
    """``download(test=…)`` runs the stage on these splits; what it wrote."""

    def run(**splits: list[dict[str, Any]]) -> dict[str, bytes]:
        folder = tmp_path / "mine"
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
        for split, records in ({"train": TRAIN} | splits).items():
            lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records)
            (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
        write_params(tmp_path, corpus={"name": "jsonl", "path": str(folder)})
        main(tmp_path)
        return outs(tmp_path)

    return run


def of_folder(written: dict[str, bytes], folder: str) -> dict[str, bytes]:
    return {name: content for name, content in written.items() if name.startswith(folder)}


def test_download_of_own_corpus_without_test_describes_an_empty_one(tmp_path: Path, download: Any) -> None:
    written = download()
    assert sorted(of_folder(written, "data/corpus")) == [
        "data/corpus/checksums.json",
        "data/corpus/corpus.json",
        "data/corpus/train.jsonl",
        "data/corpus/valid.jsonl",
    ]
    assert sorted(of_folder(written, "data/test")) == ["data/test/checksums.json", "data/test/corpus.json"]
    assert list(describe_corpus(tmp_path)["splits"]) == ["train", "valid"]


def test_download_of_a_changed_test_label_changes_data_test_only(tmp_path: Path, download: Any) -> None:
    before = download(valid=VALID, test=TEST)
    described = describe_corpus(tmp_path)
    changed = [record("韩梅梅读《边城》", ("name", 0, 3), ("book", 3, 8))]
    after = download(valid=VALID, test=changed)
    assert of_folder(after, "data/corpus") == of_folder(before, "data/corpus")
    assert of_folder(after, "data/test") != of_folder(before, "data/test")
    again = describe_corpus(tmp_path)
    assert again["fingerprint"] == described["fingerprint"]
    assert again["fingerprint_all"] != described["fingerprint_all"]


def test_download_of_a_changed_train_label_changes_data_corpus_only(tmp_path: Path, download: Any) -> None:
    before = download(valid=VALID, test=TEST)
    described = describe_corpus(tmp_path)
    changed = [record("第0句在北京", ("address", 0, 6)), *TRAIN[1:]]
    after = download(train=changed, valid=VALID, test=TEST)
    assert of_folder(after, "data/test") == of_folder(before, "data/test")
    assert of_folder(after, "data/corpus") != of_folder(before, "data/corpus")
    assert describe_corpus(tmp_path)["fingerprint"] != described["fingerprint"]


def test_download_warns_of_types_that_a_split_lacks(
    tmp_path: Path, download: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="clue_ner"):
        download(valid=VALID, test=TEST)
    assert len(caplog.messages) == 3
    assert caplog.messages[0] == "warning: train: it has no entity of type book, name: none can be learned"
    assert read_json(tmp_path / "data/corpus/corpus.json")["types"] == ["address", "name"]
    assert read_json(tmp_path / "data/test/corpus.json")["types"] == ["book", "name"]
    written = read_json(tmp_path / "metrics/corpus.json")["warnings"]
    assert caplog.messages == [f"warning: {text}" for text in written]


def test_download_that_fails_leaves_what_was_there(tmp_path: Path, download: Any) -> None:
    before = download(valid=VALID, test=TEST)
    with pytest.raises(CorpusError, match=r"train\.jsonl:1: lacks 'text'"):
        download(train=[{}])
    assert outs(tmp_path) == before


@pytest.mark.skipif(not (MIRROR and Path(MIRROR).is_dir()), reason="CLUENER_MIRROR names no folder")
def test_download_of_all_of_cluener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUENER_MIRROR", str(Path(MIRROR).absolute()))
    write_params(tmp_path, corpus={"name": "cluener", "path": None, "valid_fraction": 0.1, "split_seed": 0})
    main(tmp_path)
    splits = {name.partition("/")[2]: read(tmp_path, f"{name}.jsonl") for name in ("corpus/train", "corpus/valid")}
    splits["test"] = read(tmp_path, "test/test.jsonl")
    assert {name: len(sentences) for name, sentences in splits.items()} == {"train": 9673, "valid": 1075, "test": 1343}
    official = sorted(splits["train"] + splits["valid"], key=lambda sentence: int(sentence.id.removeprefix("train-")))
    assert fingerprint(official) == cluener.PINS["train"]
    assert fingerprint(splits["test"]) == cluener.PINS["test"]
    assert sum(len(sentence.entities) for sentence in official) == 23_972
    assert sum(len(sentence.entities) for sentence in splits["test"]) == 3_072
    found = json.loads((tmp_path / "metrics/corpus.json").read_bytes())
    assert found["leaks"] == {"valid": 0, "test": 0}
    assert found["splits"]["train"]["overlapping_pairs"] == 2
    assert found["splits"]["test"]["longest"] == 50
    assert sum(found["splits"]["test"]["per_type"].values()) == 3_072
