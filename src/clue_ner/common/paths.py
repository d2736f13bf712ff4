"""Where the repository is, and the paths that a person writes."""

import os
from pathlib import Path

from clue_ner.common.errors import ParamsError


def repository() -> Path:
    """What ``DVC_ROOT`` names, or the nearest folder upwards that has a dvc.yaml, or this one."""
    if named := os.environ.get("DVC_ROOT"):
        return Path(named)
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "dvc.yaml").is_file()), here)


def home_of(root: Path) -> Path:
    """The repository that everything lasting belongs to: also from DVC's temporary folders, which name it."""
    return Path(os.environ.get("CLUE_NER_HOME") or os.environ.get("DVC_ROOT") or root).resolve()


def is_folder_name(name: str) -> bool:
    """Whether a name is that of a folder and nothing else: it begins with ``.``, ``/`` or ``~``, or ends with ``/``.

    >>> is_folder_name("./my-bert"), is_folder_name("my-bert/"), is_folder_name("org/bert"), is_folder_name("e5-small")
    (True, True, False, False)
    """
    return name.startswith((".", "/", "~")) or name.endswith("/")


def is_registry_name(name: str) -> bool:
    """Whether a name is that of a model in MLflow, registered or of a run: it begins with ``models:`` or ``runs:``.

    >>> is_registry_name("models:/clue-ner@champion"), is_registry_name("runs:/0a1b/model"), is_registry_name("models")
    (True, True, False)
    """
    return name.startswith(("models:", "runs:"))


def resolve_path(path: str, root: Path = Path()) -> Path:
    """The path that a person wrote, absolute: ``~`` is their home folder, a relative one begins at ``home_of(root)``.

    Raises ParamsError if there is no such home folder, or links lead in a circle.
    """
    try:
        return (home_of(root) / Path(path).expanduser()).resolve()
    except RuntimeError as error:
        raise ParamsError(f"{path}: {error}; write the path in full") from None
