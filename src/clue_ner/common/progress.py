"""Progress of a stage: a bar with the remaining time in a terminal, otherwise a line from time to time."""

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

SECONDS = 30.0
"""Seconds between two lines without a terminal."""
FEW = 0.01
"""Below this share the remaining time is not estimated: the first item of a batch takes as long as all of it."""

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


def tracked(items: Iterable[_T], what: str, total: int) -> Iterator[_T]:
    """Iterate over the items and show how many of ``total`` were taken; ``what`` describes the work."""
    with progress(what, total) as advance:
        for item in items:
            yield item
            advance(1)


@contextlib.contextmanager
def progress(
    what: str, total: int, done: int = 0, say: Callable[[str], None] = _log.info
) -> Iterator[Callable[[int], None]]:
    """A function to call with the number of steps since the last call; ``done`` steps were done before.

    Lines without a terminal are passed to ``say``.
    """
    with _bar(what, total, done) if sys.stderr.isatty() else _lines(what, total, done, say) as advance:
        yield advance


@contextlib.contextmanager
def _bar(what: str, total: int, done: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar, _logs_above():
        task = bar.add_task(what, total=total, completed=done)
        yield lambda steps: bar.advance(task, steps)


@contextlib.contextmanager
def _logs_above() -> Iterator[None]:
    """Redirect log lines to the bar's console, which prints them above the bar."""
    handlers = [h for h in logging.getLogger("clue_ner").handlers if isinstance(h, logging.StreamHandler)]
    before = [handler.setStream(sys.stderr) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, before):
            if stream is not None:
                handler.setStream(stream)


@contextlib.contextmanager
def _lines(what: str, total: int, done: int, say: Callable[[str], None]) -> Iterator[Callable[[int], None]]:
    started = said = time.monotonic()
    at = done

    def advance(steps: int) -> None:
        nonlocal at, said
        at += steps
        now = time.monotonic()
        if at < total and now - said >= SECONDS and at - done > (total - done) * FEW:
            said = now
            left = (now - started) / (at - done) * (total - at)
            say(f"{what}: {at} of {total}, {duration(left)} left")

    yield advance


def duration(seconds: float) -> str:
    """Seconds in readable form.

    >>> duration(42.4), duration(192), duration(7500)
    ('42 s', '3 min 10 s', '2 h 5 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        minutes, rest = divmod(round(seconds / 10) * 10, 60)
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min"
