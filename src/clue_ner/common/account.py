"""The name and the home folder of a user that the system does not know, as in a container with a user id of its own."""

import getpass
import os
from pathlib import Path


def supply() -> None:
    """Set ``LOGNAME`` and ``HOME``, for this process and those that it starts, where nothing says what they are.

    DVC asks for both, MLflow and matplotlib for the latter, and a traceback is what they say without.
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
            os.environ["HOME"] = "/"  # what Docker says
