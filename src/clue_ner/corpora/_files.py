"""Files that a person points to."""

import os
from pathlib import Path


def resolve(path: str) -> Path:
    """The path a person wrote, absolute: a relative one starts at the repository's root.

    DVC runs some experiments in a temporary copy and says in ``DVC_ROOT`` where the original is.
    """
    return Path(os.environ.get("DVC_ROOT", "")).joinpath(Path(path).expanduser()).absolute()
