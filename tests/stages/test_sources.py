"""The sources stage: a link to each local folder that params.yaml names, and a file of one line for what is none."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.changed_params import write_params
from support.places import ROOT
from support.tracking_repository import (
    fingerprint_of,
    leave_stores_alone,
    put_empty_store,
    tracking_params,
    write_repository,
)

from clue_ner.common.errors import ParamsError, TrackingError
from clue_ner.common.files import read_json
from clue_ner.core.folders import TAGGERS
from clue_ner.core.params import load_params
from clue_ner.tagger.config import TaggerRecord
from clue_ner.tracking import register, resolve_model
from clue_ner.training.trained_tagger import records

SCRIPT = runpy.run_path(str(ROOT / "stages/sources.py"))
SOURCES: dict[str, str] = SCRIPT["SOURCES"]
main: Callable[[Path], None] = SCRIPT["main"]


@pytest.fixture(autouse=True)
def in_a_repository_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


def links(root: Path) -> dict[str, Path | None]:
    """Where each source leads; None for a file without a folder."""
    places = sorted(path for path in (root / "data/sources").iterdir() if path.suffix != ".json")
    assert all(place.is_symlink() or place.read_text() == "no folder\n" for place in places)
    return {place.name: place.readlink() if place.is_symlink() else None for place in places}


def test_sources_of_the_committed_params_are_no_folders(tmp_path: Path) -> None:
    write_params(tmp_path)
    main(tmp_path)
    assert links(tmp_path) == dict.fromkeys(SOURCES)
    for key in TAGGERS:
        assert read_json(tmp_path / f"data/sources/{key}.json") == {"name": None, "resolved": None}


def test_sources_lead_to_the_folders_from_the_repositorys_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mine", "bert", "teacher", "before"):
        (tmp_path / name).mkdir()
    write_params(
        tmp_path,
        corpus={"name": "jsonl", "path": "mine"},
        backbone={"name": "bert/"},
        train={"teacher": str(tmp_path / "teacher"), "init_from": "./before"},
    )
    main(tmp_path)
    names = {"backbone": "bert", "corpus": "mine", "teacher": "teacher", "init_from": "before"}
    wanted = {source: tmp_path / name for source, name in names.items()}
    assert links(tmp_path) == wanted
    temporary = tmp_path / ".dvc/tmp/exps/tmp123"
    temporary.mkdir(parents=True)
    (tmp_path / "params.yaml").rename(temporary / "params.yaml")
    main(temporary)
    assert links(temporary) == wanted


@pytest.mark.parametrize("key", TAGGERS)
def test_sources_resolve_a_tagger_in_mlflow_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    leave_stores_alone(monkeypatch)
    put_empty_store(tmp_path)
    for name in ("a", "b"):
        write_repository(tmp_path, name, {"a": 0.5, "b": 0.6}[name])
        assert register(tmp_path, tmp_path / "models/export", tracking_params()) is not None
    write_params(tmp_path, train={key: "models:/clue-ner@champion"})
    main(tmp_path)
    folder = links(tmp_path)[key]
    assert folder == resolve_model(tmp_path, "models:/clue-ner/2")
    found = read_json(tmp_path / f"data/sources/{key}.json")
    assert found == {"name": "models:/clue-ner@champion", "resolved": "models:/clue-ner/2"}
    params = load_params(tmp_path / "params.yaml").train
    assert records(tmp_path, params) == {
        key: TaggerRecord(
            name="models:/clue-ner@champion",
            resolved="models:/clue-ner/2",
            fingerprint=fingerprint_of("b"),
            checksums=read_json(folder / "checksums.json"),
        )
    }


@pytest.mark.parametrize("name", ["models:/clue-ner@champion", "models:/m-0123", "runs:/0123/clue-ner"])
@pytest.mark.parametrize("key", TAGGERS)
def test_sources_name_a_tagger_that_mlflow_does_not_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, key: str
) -> None:
    leave_stores_alone(monkeypatch)
    write_params(tmp_path, train={key: name})
    with pytest.raises(TrackingError, match=f"{name}: there is no MLflow store yet"):
        main(tmp_path)


def test_sources_follow_the_params(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/train.jsonl").write_text("kept", encoding="utf-8")
    write_params(tmp_path, corpus={"name": "jsonl", "path": "mine"})
    main(tmp_path)
    write_params(tmp_path)
    main(tmp_path)
    assert links(tmp_path) == dict.fromkeys(SOURCES)
    assert (tmp_path / "mine/train.jsonl").read_text(encoding="utf-8") == "kept"


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"corpus": {"name": "jsonl", "path": "absent"}},
            r"corpus\.path: there is no folder or file .*/absent; wanted",
        ),
        ({"backbone": {"name": "./params.yaml"}}, r"backbone\.name: there is no folder .*/params\.yaml"),
        ({"corpus": {"name": "jsonl", "path": "长" * 100}}, r"corpus\.path: .*File name too long"),
        ({"corpus": {"name": "jsonl", "path": "circle"}}, r"corpus\.path: circle: Symlink loop"),
        ({"corpus": {"name": "jsonl", "path": "link"}}, r"corpus\.path: leads to .*/data, where the stages write"),
        ({"backbone": {"name": "./absent"}}, r"backbone\.name: there is no folder .*/absent; wanted .*'\./absent'"),
        ({"backbone": {"name": "~nobody-here/bert"}}, r"backbone\.name: ~nobody-here/bert: .*; write the path in full"),
        ({"train": {"teacher": "absent"}}, r"train\.teacher: there is no folder"),
        ({"train": {"init_from": "absent"}}, r"train\.init_from: there is no folder"),
    ],
)
def test_sources_name_a_folder_that_is_not_there(tmp_path: Path, sections: dict[str, Any], message: str) -> None:
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    write_params(tmp_path, **sections)
    with pytest.raises(ParamsError, match=rf"params\.yaml: 1 wrong\n  {message}"):
        main(tmp_path)
    assert not (tmp_path / "data/sources").exists()


def test_sources_name_all_folders_and_all_else_that_is_wrong(tmp_path: Path) -> None:
    write_params(
        tmp_path,
        corpus={"name": "jsonl", "path": "no-corpus"},
        backbone={"name": "./no-bert"},
        train={"teacher": "no-teacher", "init_from": "none-before", "lr": 0.0},
        tracking={"model": "team/ner"},
    )
    with pytest.raises(ParamsError) as caught:
        main(tmp_path)
    keys = [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]]
    assert sorted(keys) == sorted(["train.lr", "tracking.model", *SOURCES.values()])


@pytest.mark.parametrize("name", ["my/bert", "google-bert/bert-base-chinese"])
def test_sources_settle_whether_a_hub_id_is_a_folder(tmp_path: Path, name: str) -> None:
    write_params(tmp_path, backbone={"name": name})
    main(tmp_path)
    assert links(tmp_path)["backbone"] is None
    (tmp_path / name).mkdir(parents=True)
    with pytest.raises(ParamsError, match=rf"a hub id, and there is also a folder .*; write \./{name} for the folder"):
        main(tmp_path)
    write_params(tmp_path, backbone={"name": name, "revision": "main"})
    main(tmp_path)
    assert links(tmp_path)["backbone"] is None
    write_params(tmp_path, backbone={"name": f"./{name}"})
    main(tmp_path)
    assert links(tmp_path)["backbone"] == tmp_path / name


def test_sources_lead_to_a_corpus_that_is_one_file_and_not_to_a_data_set_of_the_hub(tmp_path: Path) -> None:
    (tmp_path / "all.conll").touch()
    write_params(tmp_path, corpus={"name": "conll", "path": "all.conll"})
    main(tmp_path)
    assert links(tmp_path)["corpus"] == tmp_path / "all.conll"
    write_params(tmp_path, corpus={"name": "hugging_face", "path": "org/ner", "revision": "main"})
    main(tmp_path)
    assert links(tmp_path)["corpus"] is None
    (tmp_path / "org/ner").mkdir(parents=True)
    main(tmp_path)
    write_params(tmp_path, corpus={"name": "hugging_face", "path": "org/ner"})
    with pytest.raises(ParamsError, match=r"corpus\.path: a hub id, and there is also a folder .*; write \./org/ner"):
        main(tmp_path)
    write_params(tmp_path, corpus={"name": "hugging_face", "path": "./org/ner"})
    main(tmp_path)
    assert links(tmp_path)["corpus"] == tmp_path / "org/ner"
