"""Where the repository is."""

import os
from pathlib import Path


def repository() -> Path:
    """What ``DVC_ROOT`` names, or the nearest folder upwards that has a dvc.yaml, or this one."""
    if named := os.environ.get("DVC_ROOT"):
        return Path(named)
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "dvc.yaml").is_file()), here)


def home_of(root: Path) -> Path:
    """The repository that everything lasting belongs to: also from DVC's temporary folders, which name it."""
    return Path(os.environ.get("CLUE_NER_HOME") or os.environ.get("DVC_ROOT") or root).resolve()
