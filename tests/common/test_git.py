"""What git answers, or one line of why it does not."""

import subprocess
from pathlib import Path

import pytest

from clue_ner.common.errors import ArtifactError
from clue_ner.common.git import commit_of, git, own_repository


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


def test_git_without_a_repository_or_a_commit_says_what_to_do(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    with pytest.raises(ArtifactError, match=r"does not have any commits yet; an archive becomes .* `git init && .*`$"):
        commit_of(repository)
    (repository / ".git").rename(repository / "no-git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(repository.parent))
    for ask in (commit_of, own_repository):
        with pytest.raises(ArtifactError, match=r"^[^\n]*not a git repository[^\n]*; an archive becomes [^\n]*`$"):
            ask(repository)


def test_git_of_a_folder_in_a_repository_is_not_its_own(repository: Path) -> None:
    assert own_repository(repository) == repository
    (repository / "folder").mkdir()
    with pytest.raises(ArtifactError, match=rf"^{repository}/folder: in the git repository of {repository}, and none"):
        own_repository(repository / "folder")
