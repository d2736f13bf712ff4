"""What git answers, or one line of why it does not."""

import subprocess
from pathlib import Path

import pytest

from clue_ner.common.errors import ArtifactError
from clue_ner.common.git import git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / "文").write_bytes(b"\xff\n")
    return tmp_path


def test_git_gives_bytes_as_they_are(repository: Path) -> None:
    git(repository, "add", "--all")
    assert git(repository, "ls-files", "-z") == "文\0".encode()
    assert git(repository, "show", ":文") == b"\xff\n"


def test_git_that_fails_is_named_with_its_own_words(repository: Path) -> None:
    with pytest.raises(ArtifactError, match=rf"^{repository}: git show: fatal: .*'nothing'"):
        git(repository, "show", "nothing")


def test_git_that_is_not_installed_is_named(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(repository))
    with pytest.raises(ArtifactError, match=r"^git: no such program; install it$"):
        git(repository, "status")
