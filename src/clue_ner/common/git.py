"""Queries to git about a repository."""

import os
import subprocess
from pathlib import Path

from clue_ner.common.errors import ArtifactError
from clue_ner.common.paths import home_of

ADVICE = "an archive becomes a repository with `git init && git add --all && git commit -m start`"


def own_repository(root: Path) -> Path:
    """``root`` if it is the top folder of a git repository, else the repository of which it is a copy.

    The second case is `make demo`, which works in a folder below the repository. Raises ArtifactError if git finds no
    repository, or only one that contains this folder, because its commits do not describe the code here.
    """
    place = root if (root / ".git").exists() else home_of(root)
    top = Path(os.fsdecode(git(place, "rev-parse", "--show-toplevel")).rstrip("\n"))
    if not top.samefile(place):
        raise ArtifactError(f"{place}: in the git repository of {top}, and none of its own; {ADVICE}")
    return place


def commit_of(root: Path) -> str:
    """The commit that is checked out in ``root``; raises ArtifactError if there is none."""
    return git(root, "log", "-1", "--format=%H").decode().strip()


def git(root: Path, *arguments: str) -> bytes:
    """The output of git in ``root``; raises ArtifactError with git's message, in one line of English, if it fails."""
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=True, env=environment)
    except FileNotFoundError:
        raise ArtifactError("git: no such program; install it") from None
    except subprocess.CalledProcessError as error:
        said = " ".join(error.stderr.decode(errors="replace").split()) or f"status {error.returncode}"
        advice = f"; {ADVICE}" if "not a git repository" in said or "any commits yet" in said else ""
        raise ArtifactError(f"{root}: git {arguments[0]}: {said}{advice}") from None
    return done.stdout
