"""What the processes that the service starts have in common: where their messages go, and when they end."""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from clue_ner.common.redaction import keep_secrets
from clue_ner.serving.messages import pack


def begin() -> Callable[[Any], None]:
    """Make standard output the pipe of messages, and all that is printed go to stderr; the function that sends one.

    The process ends when its standard input does: signals are the business of the service.
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
