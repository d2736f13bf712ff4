"""User name and home folder for a user id without an entry in passwd, as in many containers."""

import getpass
import os
from pathlib import Path


def supply() -> None:
    """Set ``LOGNAME`` and ``HOME`` for this process and its children, if they are unknown.

    DVC needs both, MLflow and matplotlib need HOME, and they end with a traceback if these are missing.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = f"uid{os.getuid()}"
    if not Path(os.environ.get("HOME", "")).is_absolute():
        os.environ.pop("HOME", None)
        try:
            Path.home()
        except RuntimeError:
            os.environ["HOME"] = "/"  # Docker's value
