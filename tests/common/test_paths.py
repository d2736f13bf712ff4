"""Paths that a person writes, wherever the stage that reads them runs."""

from pathlib import Path

import pytest

from clue_ner.common.errors import ParamsError
from clue_ner.common.paths import is_registry_name, resolve_path


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in ``here``, with ``at-home`` as the home folder; no variable names the repository."""
    for name in ("here", "at-home", "repository"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "at-home"))
    for name in ("CLUE_NER_HOME", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("mine", "here/mine"),
        ("./mine", "here/mine"),
        ("../mine", "mine"),
        (".", "here"),
        ("~/mine", "at-home/mine"),
        ("语料/", "here/语料"),
    ],
)
def test_resolve_path_begins_here_or_at_home(written: str, wanted: str, tmp_path: Path) -> None:
    assert resolve_path(written) == tmp_path / wanted
    assert resolve_path(str(tmp_path / "elsewhere")) == tmp_path / "elsewhere"


@pytest.mark.parametrize("variable", ["DVC_ROOT", "CLUE_NER_HOME"])
def test_resolve_path_begins_at_the_repository_that_a_temporary_run_names(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "repository"))
    assert resolve_path("mine") == tmp_path / "repository/mine"
    assert resolve_path("~/mine") == tmp_path / "at-home/mine"
    assert resolve_path("mine", tmp_path / "elsewhere") == tmp_path / "repository/mine"


def test_resolve_path_begins_at_the_root_that_is_given(tmp_path: Path) -> None:
    assert resolve_path("mine", tmp_path / "elsewhere") == tmp_path / "elsewhere/mine"


def test_resolve_path_follows_links(tmp_path: Path) -> None:
    (tmp_path / "here/link").symlink_to(tmp_path / "repository")
    assert resolve_path("link/mine") == tmp_path / "repository/mine"


def test_resolve_path_refuses_what_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"^~no-such-user-here/mine: .*; write the path in full$"):
        resolve_path("~no-such-user-here/mine")
    (tmp_path / "here/circle").symlink_to("circle")
    with pytest.raises(ParamsError, match=r"^circle/mine: Symlink loop.*; write the path in full$"):
        resolve_path("circle/mine")


def test_is_registry_name_is_that_of_a_model_in_mlflow() -> None:
    for name in ("models:/clue-ner@champion", "models:/m-0123", "models:clue-ner", "runs:/0123/model"):
        assert is_registry_name(name)
    for name in ("models/tagger", "./models:", "/runs:/x", "run", ""):
        assert not is_registry_name(name)
