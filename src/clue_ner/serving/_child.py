"""What the processes started by the service share: where their output goes, and when they end."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from clue_ner.common.redaction import keep_secrets
from clue_ner.serving.messages import pack


def begin() -> Callable[[Any], None]:
    """Reserve standard output for messages and redirect prints to stderr; returns the function that sends a message.

    The process ends when its standard input is closed. It ignores SIGINT and SIGTERM, which the service handles.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    keep_secrets("stderr")
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(message: Any) -> None:
        pipe.write(pack(message))
        pipe.flush()

    return send
