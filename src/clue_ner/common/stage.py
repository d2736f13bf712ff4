"""The frame of every stage script: quiet libraries, one line for an error, the exit status."""

import errno
import gc
import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from clue_ner.common import account
from clue_ner.common.errors import ClueNerError
from clue_ner.common.redaction import keep_secrets

QUIET = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}
"""Switches off telemetry and libraries' own messages; variables that are already set keep their value."""

FULL = (
    *("os error 28", "os error 122", "no space left on device", "disk is full", "disk quota exceeded"),
    *("iostream error", "inline_container.cc"),
)
"""How safetensors, Arrow, SQLite, ONNX and torch (which gives no reason) report a full disk or an exceeded quota."""


USUAL = gc.get_threshold()
IMPORT_SECONDS = 20.0
"""Seconds in which garbage is collected rarely: imports make many objects and hardly any garbage."""


def run(main: Callable[[Path], None]) -> None:
    """Run a stage in the working directory, which is the pipeline's root when DVC runs it."""
    prepare()
    _collect_lazily()
    try:
        main(Path())
    except ClueNerError as error:
        sys.exit(f"error: {error}")
    except Exception as error:
        if not is_disk_full(error):
            raise
        where = getattr(error, "filename", None) or "while writing"
        sys.exit(f"error: the disk is full ({where}); free some space and run `dvc repro`")
    finally:
        gc.freeze()  # otherwise Python searches all objects of torch and MLflow for cycles at exit: a second


def _collect_lazily() -> None:
    """Collect garbage rarely while libraries are imported, and as usual afterwards.

    Garbage of a training can hold batches on the device, so it must not wait for long.
    """
    gc.set_threshold(50_000, 20, 100)
    timer = threading.Timer(IMPORT_SECONDS, gc.set_threshold, USUAL)
    timer.daemon = True
    timer.start()


def is_disk_full(error: Exception) -> bool:
    """Whether the error means a full disk, from the system or from a library with its own errors."""
    message = str(error).lower()
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or any(text in message for text in FULL)


def prepare() -> None:
    """Set variables that libraries read on import; send log lines to stderr; redact both streams."""
    keep_secrets("stdout", "stderr")
    account.supply()
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("clue_ner")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO if os.environ.get("RANK", "0") == "0" else logging.WARNING)
