"""The code that determines the weights: fine_tune's ``deps`` in dvc.yaml, the only list of it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import sha256
from clue_ner.core.yaml import read_yaml

CODE = ("src/", "stages/")


def code_paths(root: Path) -> list[str]:
    """The source folders and files that fine_tune depends on, relative to ``root``.

    Raises ArtifactError if there is no dvc.yaml: an installed package without it cannot train.
    """
    path = root / "dvc.yaml"
    try:
        deps = read_yaml(path.read_bytes(), str(path))["stages"]["fine_tune"]["deps"]
        return [dep for dep in deps if dep.startswith(CODE)]
    except FileNotFoundError:
        raise ArtifactError(f"{path}: no such file; train in a clone of the repository") from None
    except (KeyError, TypeError, AttributeError):
        raise ArtifactError(f"{path}: found no stage fine_tune with deps; restore dvc.yaml from git") from None


def code_fingerprint(root: Path) -> str:
    """SHA-256 over the names and contents of the Python files in ``code_paths``."""
    digest = hashlib.sha256()
    for dep in sorted(code_paths(root)):
        for path in sorted(_files(root / dep)):
            digest.update(f"{path.relative_to(root).as_posix()} {sha256(path)}\n".encode())
    return digest.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise ArtifactError(f"{path}: missing, and dvc.yaml lists it; restore it from git")
    return path.rglob("*.py") if path.is_dir() else iter([path])
