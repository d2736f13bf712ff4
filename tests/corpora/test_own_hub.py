"""Data sets of a hub on this machine as a person's own corpus."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.servers import COMMIT, hub_handler, serve, use_hub

from clue_ner.common import retry
from clue_ner.common.errors import CorpusError, SourceError
from clue_ner.core.entities import Entity
from clue_ner.core.params import CorpusParams
from clue_ner.corpora import Corpus, load_corpus

ENTITY = {"start_offset": 0, "end_offset": 3, "label": "name", "entity": "林若溪"}
ROW = {"text": "林若溪到了上海。", "entities": [ENTITY]}


def load(**params: Any) -> Corpus:
    own = {"name": "hugging_face", "path": "org/ner", **params}
    return load_corpus(CorpusParams(valid_fraction=0.0, split_seed=0, **own))


def lines(*rows: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def parquet(folder: Path) -> bytes:
    from datasets import ClassLabel, Dataset, Features, List, Value

    tags = ClassLabel(names=["O", "B-name", "I-name"])
    features = Features({"tokens": List(Value("string")), "ner_tags": List(tags)})
    rows = {"tokens": [list("林若溪到了")], "ner_tags": [[1, 2, 2, 0, 0]]}
    Dataset.from_dict(rows, features=features).to_parquet(folder / "rows.parquet")
    return (folder / "rows.parquet").read_bytes()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "PAUSE", 0.0)


def test_own_hub_reads_texts_with_entities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"README.md": b"", "data/train.json": lines(ROW, ROW), "data/validation.json": lines(ROW)}
    with serve(hub_handler("dataset", {"org/ner": files})) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        corpus = load()
    assert {split: len(found) for split, found in corpus.splits.items()} == {"train": 2, "valid": 1}
    assert corpus.splits["train"][0].entities == (Entity(0, 3, "name"),)
    assert corpus.description == f"org/ner, commit {COMMIT} of the Hugging Face hub"


def test_own_hub_reads_tokens_with_class_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = parquet(tmp_path)
    files = {"data/train-00000-of-00002.parquet": content, "data/train-00001-of-00002.parquet": content}
    with serve(hub_handler("dataset", {"org/ner": files})) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        train = load().splits["train"]
    assert [(sentence.id, sentence.text, sentence.entities) for sentence in train] == [
        (f"train-{number}", "林若溪到了", (Entity(0, 3, "name"),)) for number in range(2)
    ]


def test_own_hub_reads_json_lines_of_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"tokens": ["林", "若", "溪"], "ner_tags": ["B-name", "I-name", "I-name"]}
    with serve(hub_handler("dataset", {"org/ner": {"train.jsonl": lines(row)}})) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        assert load().splits["train"][0].entities == (Entity(0, 3, "name"),)


@pytest.mark.parametrize(
    "names",
    [
        ["train.jsonl", "train_more.jsonl"],
        ["train-00000-of-00002.jsonl", "train-00002-of-00003.jsonl"],
        ["train-00000-of-00002.jsonl"],
        ["data/train/0000.jsonl", "data/train/0002.jsonl"],
    ],
)
def test_own_hub_refuses_several_files_for_a_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    with serve(hub_handler("dataset", {"org/ner": dict.fromkeys(names, lines(ROW))})) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        with pytest.raises(CorpusError, match=f"found {', '.join(names)} for train, wanted one file, or all"):
            load()


def test_own_hub_names_configurations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = parquet(tmp_path)
    files = {"zh/train/0000.parquet": content, "en/train/0000.parquet": content}
    with serve(hub_handler("dataset", {"org/ner": files})) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        with pytest.raises(CorpusError, match=r"it has train in en/train, zh/train; choose one with corpus\.options"):
            load()
        assert len(load(options={"config": "zh"}).splits["train"]) == 1


SCRIPT = {"org/ner": {"README.md": b"", "ner.py": b"raise SystemExit", "data/train.txt": b""}}


def test_own_hub_reads_what_the_hub_has_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = parquet(tmp_path)
    files = dict.fromkeys(
        [f"zh/{part}/000{n}.parquet" for part, n in (("train", 0), ("train", 1), ("validation", 0))], content
    )
    with serve(hub_handler("dataset", SCRIPT, converted={"org/ner": files})) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        corpus = load()
    assert {split: len(found) for split, found in corpus.splits.items()} == {"train": 2, "valid": 1}
    assert corpus.splits["train"][0].entities == (Entity(0, 3, "name"),)
    assert corpus.description == f"org/ner, commit {COMMIT[::-1]} of the Hugging Face hub"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["zh/train/0000.parquet", "en/train/0000.parquet"], "it has train in en/train, zh/train; choose one"),
        (["default/partial-train/0000.parquet"], "the hub has converted only a part of train"),
        (["default/dev/0000.parquet"], "it needs its own script"),
    ],
)
def test_own_hub_says_what_is_wrong_with_a_conversion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str], message: str
) -> None:
    with serve(hub_handler("dataset", SCRIPT, converted={"org/ner": dict.fromkeys(files, b"")})) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        with pytest.raises(CorpusError, match=message):
            load()


@pytest.mark.parametrize("revision", [None, "main"])
def test_own_hub_refuses_a_repository_that_needs_its_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, revision: str | None
) -> None:
    handler = hub_handler("dataset", SCRIPT)
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        with pytest.raises(CorpusError, match=r"needs its own script \(ner\.py\), and no program .* save_to_disk it"):
            load(revision=revision)
    assert not any("resolve" in request for request in handler.requests)  # type: ignore[attr-defined]


def test_own_hub_that_does_not_give_it_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(hub_handler("dataset", {})) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        with pytest.raises(SourceError, match="did not provide it"):
            load()


def test_own_folder_of_save_to_disk_has_its_splits_in_folders(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    row = {"text": ["林若溪到了"], "entities": [[{"start_offset": 0, "end_offset": 3, "label": "name"}]]}
    splits = {name: Dataset.from_dict(row) for name in ("train", "validation", "test")}
    DatasetDict(splits).save_to_disk(tmp_path / "data")
    for name in ("hugging_face", "auto"):
        corpus = load(path=str(tmp_path / "data"), name=name)
        assert list(corpus.splits) == ["train", "valid", "test"]
        assert corpus.splits["test"][0].entities == (Entity(0, 3, "name"),)
