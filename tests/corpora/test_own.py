"""A person's own corpus: which files are which split, and what becomes of types, ids and unlabelled sentences."""

import json
from pathlib import Path
from typing import Any

import pytest

from clue_ner.common.errors import CorpusError, SourceError
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.params import CorpusParams
from clue_ner.corpora import Corpus, load_corpus, measure

GOOD: dict[str, Any] = {"text": "李雷在上海。", "entities": [{"type": "name", "start": 0, "end": 2}]}
NONE: dict[str, Any] = {"text": "没有人", "entities": []}


def put(folder: Path, name: str, *records: dict[str, Any]) -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")
    return path


def load(path: Path | str, name: str = "jsonl", **params: Any) -> Corpus:
    sections = {"options": {}, "valid_fraction": 0.0, "split_seed": 0, **params}
    return load_corpus(CorpusParams(name=name, path=str(path), **sections))


def refused(path: Path, name: str = "jsonl", **params: Any) -> str:
    with pytest.raises((CorpusError, SourceError)) as caught:
        load(path, name, **params)
    return str(caught.value)


def sizes(corpus: Corpus) -> dict[str, int]:
    return {split: len(sentences) for split, sentences in corpus.splits.items()}


@pytest.mark.parametrize("valid", ["valid", "validation", "val", "dev", "my.dev", "DEV_1"])
@pytest.mark.parametrize("unlabelled", ["unlabelled", "unlabeled"])
def test_own_finds_splits_by_the_names_that_people_use(tmp_path: Path, valid: str, unlabelled: str) -> None:
    put(tmp_path, "train.jsonl", GOOD, GOOD)
    put(tmp_path, f"{valid}.jsonl", GOOD)
    put(tmp_path, "test.jsonl", GOOD, NONE, NONE)
    put(tmp_path, f"{unlabelled}.jsonl", {"text": "谁在唱歌？"}, NONE)
    (tmp_path / "notes.txt").write_text("not looked at", encoding="utf-8")
    corpus = load(tmp_path)
    assert sizes(corpus) == {"train": 2, "valid": 1, "test": 3, "unlabelled": 2}
    assert [sentence.id for sentence in corpus.splits["valid"]] == ["valid-0"]
    assert corpus.splits["unlabelled"][0] == Sentence("unlabelled-0", "谁在唱歌？")
    assert (corpus.name, corpus.licence) == ("jsonl", "that of its owner")


def test_own_reads_the_shards_of_a_split_in_order(tmp_path: Path) -> None:
    for number in (1, 0):
        put(tmp_path, f"train-{number:05}-of-00002.jsonl", {**GOOD, "id": number})
    assert [sentence.id for sentence in load(tmp_path).splits["train"]] == ["0", "1"]
    (tmp_path / "train-00000-of-00002.jsonl").unlink()
    put(tmp_path, "train-00002-of-00002.jsonl", GOOD)
    assert "all for train, wanted one" in refused(tmp_path)
    (tmp_path / "train-00002-of-00002.jsonl").unlink()
    assert "found train-00001-of-00002.jsonl, all for train, wanted one, or all the parts" in refused(tmp_path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train.jsonl", "tets.jsonl"], "found tets.jsonl, whose names do not contain a split"),
        (["train.jsonl", "train_dev.jsonl"], "found train_dev.jsonl, whose names do not contain"),
        (["train.jsonl", "dev.jsonl", "valid.jsonl"], "found dev.jsonl, valid.jsonl, all for valid, wanted one"),
        (["test.jsonl"], "no file for train in it, found test.jsonl; wanted one such as train.jsonl"),
        ([], "no file for train in it, found none; wanted one such as train.jsonl; corpus.path in params.yaml"),
    ],
)
def test_own_refuses_files_whose_split_is_not_known(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        put(tmp_path, name, GOOD)
    assert message in refused(tmp_path)


def test_own_takes_one_file_and_splits_it(tmp_path: Path) -> None:
    path = put(tmp_path, "all.jsonl", *[{**GOOD, "text": f"李雷在第{number}个上海。"} for number in range(20)])
    assert sizes(load(path)) == sizes(load(tmp_path)) == {"train": 20}
    corpus = load(path, valid_fraction=0.2, test_fraction=0.1)
    assert sizes(corpus) == {"train": 14, "valid": 4, "test": 2}
    assert corpus.splits["valid"] == load(path, valid_fraction=0.2).splits["valid"]
    texts = [sentence.text for sentences in corpus.splits.values() for sentence in sentences]
    assert len(set(texts)) == 20


def test_own_path_begins_at_the_repositorys_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    put(tmp_path / "mine", "train.jsonl", GOOD)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert sizes(load("mine")) == {"train": 1}
    monkeypatch.delenv("DVC_ROOT")
    monkeypatch.chdir(tmp_path)
    assert sizes(load("mine/train.jsonl")) == {"train": 1}


def test_own_file_may_not_lead_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    outside = put(tmp_path, "outside.jsonl", GOOD)
    (tmp_path / "mine/train.jsonl").symlink_to(outside)
    assert "leads out of the folder" in refused(tmp_path / "mine")


def test_own_auto_says_what_it_recognised_and_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path, "train.jsonl", NONE, GOOD)
    put(tmp_path, "test.jsonl", GOOD)
    with caplog.at_level("INFO"):
        corpus = load(tmp_path, "auto")
    assert (corpus.name, sizes(corpus)) == ("jsonl", {"train": 2, "test": 1})
    assert f"{tmp_path / 'train.jsonl'} is read as jsonl: JSON lines whose entities have a type" in caplog.text
    (tmp_path / "train.jsonl").write_bytes(b"\x00\x01")
    assert "does not look like any known layout (" in refused(tmp_path, "auto")


def test_own_unlabelled_sentences_are_counted_and_not_trained_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, "train.jsonl", GOOD, {"text": "谁？"}, NONE)
    put(tmp_path, "test.jsonl", {"text": "谁在唱歌？"})
    corpus = load(tmp_path)
    assert [sentence.text for sentence in corpus.splits["train"]] == [GOOD["text"], NONE["text"]]
    assert list(corpus.splits) == ["train"]
    assert "train.jsonl: 1 sentences are not labelled" in caplog.text
    assert "test.jsonl: none of its 1 sentences is labelled: not used as test" in caplog.text
    left_out = measure(corpus)["reading"]["left_out"]
    assert left_out == {"train": {"unlabelled sentences": 1}, "test": {"unlabelled sentences": 1}}
    put(tmp_path, "train.jsonl", {"text": "谁？"})
    assert "none of its 1 sentences is labelled, wanted at least one to train on" in refused(tmp_path)
    put(tmp_path, "train.jsonl", GOOD)
    path = put(tmp_path, "unlabelled.jsonl", GOOD)
    assert f"{path}:1: has entities, in a file of unlabelled sentences" in refused(tmp_path)


def test_own_types_are_renamed_merged_and_left_out(tmp_path: Path) -> None:
    spans = [("PER.NOM", 0, 2), ("name", 0, 2), ("TITLE", 3, 5), ("place", 3, 5), ("place", 0, 1)]
    record = {"text": "李雷在上海。", "entities": [{"type": t, "start": s, "end": e} for t, s, e in spans]}
    put(tmp_path, "train.jsonl", record)
    corpus = load(tmp_path, types={"PER.NOM": "name", "TITLE": None, "place": "address"})
    wanted = (Entity(0, 1, "address"), Entity(0, 2, "name"), Entity(3, 5, "address"))
    assert corpus.splits["train"][0].entities == wanted
    assert measure(corpus)["reading"]["types"] == {
        "dropped": {"TITLE": 1},
        "renamed": {"PER.NOM -> name": 1, "place -> address": 2},
        "merged": 1,
    }
    message = refused(tmp_path, types={"PER": "name"})
    assert "corpus.types: no entity has type PER; there are PER.NOM, TITLE, name, place." in message
    assert "no entity in it" in refused(tmp_path, types=dict.fromkeys(["PER.NOM", "TITLE", "place", "name"]))


def test_own_ids_are_unique_in_a_split(tmp_path: Path) -> None:
    path = put(tmp_path, "train.jsonl", {**GOOD, "id": "x"}, GOOD, {**GOOD, "id": "x"}, {**GOOD, "id": "train-1"})
    put(tmp_path, "test.jsonl", {**GOOD, "id": "x"})
    message = refused(tmp_path)
    assert message.startswith("2 wrong\n")
    assert f"{path}:3: id 'x' is that of {path}:1 already; ids are unique in a split" in message
    assert f"{path}:4: id 'train-1' is that of {path}:2 already" in message


def test_own_problems_of_all_files_come_in_one_message(tmp_path: Path) -> None:
    put(
        tmp_path,
        "train.jsonl",
        GOOD,
        {"entities": []},
        {"text": "李雷", "entities": [GOOD["entities"][0] | {"end": 5}]},
    )
    put(tmp_path, "valid.jsonl", *[{}] * 23)
    message = refused(tmp_path)
    assert message.startswith("25 wrong\n")
    assert f"{tmp_path / 'train.jsonl'}:2: lacks 'text'" in message
    assert f"{tmp_path / 'train.jsonl'}:3: entities.0 (name 0:5)" in message
    assert f"{tmp_path / 'valid.jsonl'}:18: lacks" in message
    assert "valid.jsonl:19:" not in message
    assert "and 5 more" in message
    assert "docs/data.md" in message


def test_own_offsets_are_explained_over_all_files(tmp_path: Path) -> None:
    entity = {"type": "name", "start": 0, "end": 1, "text": "李雷"}
    put(tmp_path, "train.jsonl", {"text": "李雷在上海。", "entities": [entity]})
    put(tmp_path, "test.jsonl", {"text": "在李雷", "entities": [{"type": "name", "start": 1, "end": 2}]})
    assert "All offsets fit with corpus.options: {ends: inclusive}" in refused(tmp_path)
    put(tmp_path, "test.jsonl", GOOD)
    assert "{ends: inclusive}" in refused(tmp_path)
    put(tmp_path, "test.jsonl", {"text": "李雷", "entities": [{"type": "name", "start": 0, "end": 2, "text": "李雷"}]})
    assert "All offsets fit" not in refused(tmp_path)


@pytest.mark.parametrize("name", ["train", "valid", "test"])
def test_own_empty_split_is_refused(name: str, tmp_path: Path) -> None:
    put(tmp_path, "train.jsonl", GOOD)
    put(tmp_path, f"{name}.jsonl")
    assert f"{name}.jsonl: found no sentence, wanted at least one" in refused(tmp_path)


def test_own_train_without_any_entity_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "train.jsonl", NONE)
    assert "train.jsonl: found no entity" in refused(tmp_path)
