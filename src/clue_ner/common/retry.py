"""Time limits and retries."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from clue_ner.common.redaction import redact

ATTEMPTS = 3
"""Number of attempts, including the first one."""
PAUSE = 0.5
"""Seconds before the second attempt; the next pause is twice as long."""

T = TypeVar("T")
_log = logging.getLogger(__name__)


def within(seconds: float, call: Callable[[], T]) -> T:
    """The result of ``call``; TimeoutError after ``seconds``, even if it waits without a timeout (name look-up)."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    if not wait([future], seconds).done:
        raise TimeoutError(f"waited {seconds:.0f} s")
    return future.result()


def retried(call: Callable[[], T], passing: Callable[[Exception], bool]) -> T:
    """The result of ``call`` in up to ``ATTEMPTS`` attempts; raises the last error, or one that is not ``passing``."""
    for attempt in range(2, ATTEMPTS + 1):
        try:
            return call()
        except Exception as error:
            if not passing(error):
                raise
            pause = PAUSE * 2 ** (attempt - 2)
            reason = redact(" ".join(str(error).split())) or type(error).__name__
            _log.warning("%s; trying again in %.1f s (%d of %d)", reason, pause, attempt, ATTEMPTS)
        time.sleep(pause)
    return call()
