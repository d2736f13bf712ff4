"""What every stage script does around its ``main``: quiet libraries, one line per error, the exit status."""

import errno
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from clue_ner.errors import ClueNerError

QUIET = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}
"""No telemetry, and no library's own chatter; what the environment already says stays."""


def run(main: Callable[[Path], None]) -> None:
    """Run a stage in the working directory, which DVC makes the pipeline's root."""
    prepare()
    try:
        main(Path())
    except ClueNerError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.exit(f"error: the disk is full ({error.filename or 'while writing'}); free some space and run `dvc repro`")


def prepare() -> None:
    """Set what libraries read when they are imported; our own log lines go to stderr."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("clue_ner")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
