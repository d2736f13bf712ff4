"""What every stage script does around its ``main``: quiet libraries, one line per error, the exit status."""

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
"""No telemetry, and no library's own chatter; what the environment already says stays."""

FULL = (
    *("os error 28", "os error 122", "no space left on device", "disk is full", "disk quota exceeded"),
    *("iostream error", "inline_container.cc"),
)
"""How safetensors, Arrow, SQLite, ONNX and torch, which names no reason, call a full disk or a used-up quota."""


USUAL = gc.get_threshold()
IMPORT_SECONDS = 20.0
"""How long the garbage collector stays lazy: imports make many objects and hardly any garbage."""


def run(main: Callable[[Path], None]) -> None:
    """Run a stage in the working directory, which DVC makes the pipeline's root."""
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
        gc.freeze()  # at its exit, Python would search all that torch and MLflow have imported for cycles: a second


def _collect_lazily() -> None:
    """Have the garbage collector search rarely while libraries are imported, and as usual when they are.

    A training's garbage can hold batches on the device, so it must not wait for long.
    """
    gc.set_threshold(50_000, 20, 100)
    timer = threading.Timer(IMPORT_SECONDS, gc.set_threshold, USUAL)
    timer.daemon = True
    timer.start()


def is_disk_full(error: Exception) -> bool:
    """Whether the system said so, or a library that writes files itself and has errors of its own."""
    message = str(error).lower()
    return getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or any(text in message for text in FULL)


def prepare() -> None:
    """Set what libraries read when they are imported; our own log lines go to stderr; secrets to neither stream."""
    keep_secrets("stdout", "stderr")
    account.supply()
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("clue_ner")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO if os.environ.get("RANK", "0") == "0" else logging.WARNING)
