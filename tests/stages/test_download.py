import importlib.util
import json
import os
from pathlib import Path

import pytest
import yaml
from support.places import ROOT

from clue_ner.common.errors import CorpusError
from clue_ner.core.entities import fingerprint
from clue_ner.core.files import read_sentences
from clue_ner.corpora import cluener

MIRROR = os.environ.get("CLUENER_MIRROR", "")


@pytest.fixture
def main():
    spec = importlib.util.spec_from_file_location("download", ROOT / "stages" / "download.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture
def params(tmp_path):
    def write(**corpus):
        values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        values["corpus"].update(corpus)
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")

    return write


def outs(root):
    paths = [path for folder in ("data", "metrics") for path in (root / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def test_download_writes_the_sample_corpus(main, params, tmp_path):
    params(name="sample")
    main(tmp_path)
    first = outs(tmp_path)
    assert sorted(first) == [
        "data/corpus/checksums.json",
        "data/corpus/corpus.json",
        "data/corpus/test.jsonl",
        "data/corpus/train.jsonl",
        "data/corpus/valid.jsonl",
        "metrics/corpus.json",
    ]
    described = json.loads(first["data/corpus/corpus.json"])
    assert (described["name"], len(described["types"])) == ("sample", 10)
    for split, values in described["splits"].items():
        sentences = read_sentences(tmp_path / "data" / "corpus" / f"{split}.jsonl")
        assert (len(sentences), fingerprint(sentences)) == (values["sentences"], values["fingerprint"])
    assert json.loads(first["metrics/corpus.json"])["splits"]["valid"]["sentences"] == 76
    main(tmp_path)
    assert outs(tmp_path) == first


def test_download_of_own_corpus_without_test_writes_no_test(main, params, tmp_path):
    lines = (f'{{"text": "第{i}句", "entities": [{{"type": "n", "start": 1, "end": 2}}]}}' for i in range(9))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    params(name="jsonl", path=str(tmp_path / "mine"))
    main(tmp_path)
    assert sorted(json.loads((tmp_path / "data/corpus/corpus.json").read_bytes())["splits"]) == ["train", "valid"]
    assert sorted(path.name for path in (tmp_path / "data/corpus").iterdir()) == [
        "checksums.json",
        "corpus.json",
        "train.jsonl",
        "valid.jsonl",
    ]


def test_download_that_fails_leaves_what_was_there(main, params, tmp_path):
    params(name="sample")
    main(tmp_path)
    before = outs(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "train.jsonl").write_text("{}", encoding="utf-8")
    params(name="jsonl", path=str(tmp_path / "mine"))
    with pytest.raises(CorpusError, match=r"train\.jsonl:1: lacks 'text'"):
        main(tmp_path)
    assert outs(tmp_path) == before


@pytest.mark.skipif(not (MIRROR and Path(MIRROR).is_dir()), reason="CLUENER_MIRROR names no folder")
def test_download_of_all_of_cluener(main, params, tmp_path, monkeypatch):
    monkeypatch.setenv("CLUENER_MIRROR", str(Path(MIRROR).absolute()))
    params(name="cluener", valid_fraction=0.1, split_seed=0)
    main(tmp_path)
    splits = {s: read_sentences(tmp_path / f"data/corpus/{s}.jsonl") for s in ("train", "valid", "test")}
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
