"""Where the repository is, and what git says of it."""

import os
import subprocess
from pathlib import Path

from clue_ner.errors import ArtifactError


def repository() -> Path:
    """What ``DVC_ROOT`` names, or the nearest folder upwards that has a dvc.yaml, or this one."""
    if named := os.environ.get("DVC_ROOT"):
        return Path(named)
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "dvc.yaml").is_file()), here)


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
