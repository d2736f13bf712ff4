"""The location of the repository, and paths that users write."""

import os
from pathlib import Path

from clue_ner.common.errors import ParamsError


def repository() -> Path:
    """The folder in ``DVC_ROOT``, else the nearest parent folder with a dvc.yaml, else the working folder."""
    if named := os.environ.get("DVC_ROOT"):
        return Path(named)
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "dvc.yaml").is_file()), here)


def home_of(root: Path) -> Path:
    """The repository in which lasting files are kept; in DVC's temporary folders the original repository."""
    return Path(os.environ.get("CLUE_NER_HOME") or os.environ.get("DVC_ROOT") or root).resolve()


def is_folder_name(name: str) -> bool:
    """Whether a name can only be that of a folder: it begins with ``.``, ``/`` or ``~``, or ends with ``/``.

    >>> is_folder_name("./my-bert"), is_folder_name("my-bert/"), is_folder_name("org/bert"), is_folder_name("e5-small")
    (True, True, False, False)
    """
    return name.startswith((".", "/", "~")) or name.endswith("/")


def is_registry_name(name: str) -> bool:
    """Whether a name refers to MLflow: to a version in the model registry or to a run's model.

    >>> is_registry_name("models:/clue-ner@champion"), is_registry_name("runs:/1f2e/model")
    (True, True)
    >>> is_registry_name("models/tagger")
    False
    """
    return name.startswith(("models:", "runs:"))


def resolve_path(path: str, root: Path = Path()) -> Path:
    """The absolute path for a path that a user wrote: ``~`` is their home, a relative one starts at ``home_of(root)``.

    Raises ParamsError if there is no such home folder, or links lead in a circle.
    """
    try:
        return (home_of(root) / Path(path).expanduser()).resolve()
    except RuntimeError as error:
        raise ParamsError(f"{path}: {error}; write the path in full") from None
