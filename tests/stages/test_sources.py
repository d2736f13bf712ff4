"""The sources stage: a link to each local folder that params.yaml names, and an empty folder for what is none."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.changed_params import write_params
from support.places import ROOT

from clue_ner.common.errors import ParamsError

main: Callable[[Path], None] = runpy.run_path(str(ROOT / "stages/sources.py"))["main"]


@pytest.fixture(autouse=True)
def in_a_repository_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))


def links(root: Path) -> dict[str, Path | None]:
    """Where each source leads; None for an empty folder."""
    places = sorted((root / "data/sources").iterdir())
    assert all(place.is_symlink() or not list(place.iterdir()) for place in places)
    return {place.name: place.readlink() if place.is_symlink() else None for place in places}


def test_sources_of_the_committed_params_are_empty(tmp_path: Path) -> None:
    write_params(tmp_path)
    main(tmp_path)
    assert links(tmp_path) == {"backbone": None, "corpus": None, "teacher": None}


def test_sources_lead_to_the_folders_from_the_repositorys_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mine", "bert", "teacher"):
        (tmp_path / name).mkdir()
    write_params(
        tmp_path,
        corpus={"name": "jsonl", "path": "mine"},
        backbone={"name": "bert/"},
        train={"teacher": str(tmp_path / "teacher")},
    )
    main(tmp_path)
    wanted = {"backbone": tmp_path / "bert", "corpus": tmp_path / "mine", "teacher": tmp_path / "teacher"}
    assert links(tmp_path) == wanted
    temporary = tmp_path / ".dvc/tmp/exps/tmp123"
    temporary.mkdir(parents=True)
    (tmp_path / "params.yaml").rename(temporary / "params.yaml")
    main(temporary)
    assert links(temporary) == wanted


@pytest.mark.parametrize("teacher", ["models:/clue-ner@champion", "models:/m-0123", "runs:/0123/clue-ner"])
def test_sources_follow_the_params(tmp_path: Path, teacher: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/train.jsonl").write_text("kept", encoding="utf-8")
    write_params(tmp_path, corpus={"name": "jsonl", "path": "mine"})
    main(tmp_path)
    write_params(tmp_path, train={"teacher": teacher})
    main(tmp_path)
    assert links(tmp_path) == {"backbone": None, "corpus": None, "teacher": None}
    assert (tmp_path / "mine/train.jsonl").read_text(encoding="utf-8") == "kept"


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"corpus": {"name": "jsonl", "path": "absent"}},
            r"corpus\.path: absent, and there is no folder .*/absent; wanted",
        ),
        ({"corpus": {"name": "jsonl", "path": "params.yaml"}}, r"corpus\.path: params\.yaml, and there is no folder"),
        ({"backbone": {"name": "./absent"}}, r"backbone\.name: \./absent, and there is no folder"),
        ({"train": {"teacher": "absent"}}, r"train\.teacher: absent, and there is no folder"),
    ],
)
def test_sources_name_a_folder_that_is_not_there(tmp_path: Path, sections: dict[str, Any], message: str) -> None:
    write_params(tmp_path, **sections)
    with pytest.raises(ParamsError, match=message):
        main(tmp_path)
    assert not (tmp_path / "data/sources").exists()
