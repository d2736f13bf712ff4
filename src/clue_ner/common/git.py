"""What git says of a repository."""

import subprocess
from pathlib import Path

from clue_ner.common.errors import ArtifactError


def git(root: Path, *arguments: str) -> bytes:
    """What git says in ``root``; raises ArtifactError with git's own words if it fails."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=True)
    except FileNotFoundError:
        raise ArtifactError("git: no such program; install it") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        raise ArtifactError(f"{root}: git {arguments[0]}: {said}") from None
    return done.stdout
