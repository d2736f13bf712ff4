"""Progress in a terminal and where there is none."""

import logging
import os
import pty
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
from support.places import ROOT

from clue_ner.common import progress
from clue_ner.common.progress import tracked

SCRIPT = """
import logging
from clue_ner.common.progress import tracked
from clue_ner.common.stage import prepare
prepare()
for item in tracked(range(3), "tagging test", 3):
    logging.getLogger("clue_ner.x").info("line %d", item)
"""


def test_progress_without_a_terminal_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = count(0, 10)
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    with caplog.at_level(logging.INFO, logger="clue_ner"):
        assert list(tracked(iter("abcdefgh"), "tagging test", 8)) == list("abcdefgh")
    assert caplog.messages == ["tagging test: 3 of 8, 50 s left", "tagging test: 6 of 8, 20 s left"]


def test_progress_that_goes_on_counts_only_what_it_saw_for_the_time_that_is_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = count(0, 40)
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    with caplog.at_level(logging.INFO, logger="clue_ner"), progress.progress("steps", 104, 100) as advance:
        advance(2)
    assert caplog.messages == ["steps: 102 of 104, 40 s left"]


def test_progress_says_nothing_of_the_rest_after_the_first_of_many(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = count(0, 40)
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    with caplog.at_level(logging.INFO, logger="clue_ner"), progress.progress("steps", 300) as advance:
        advance(1)
        advance(2)
        assert caplog.messages == []
        advance(3)
    assert len(caplog.messages) == 1


def test_progress_of_short_work_is_silent_without_a_terminal(caplog: pytest.LogCaptureFixture) -> None:
    assert list(tracked([1, 2], "x", 2)) == [1, 2]
    assert caplog.messages == []


def test_progress_in_a_terminal_is_a_bar_below_the_log(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "TERM": "xterm-256color", "COLUMNS": "100"}
    with subprocess.Popen([sys.executable, "-c", SCRIPT], stderr=theirs, env=environment, cwd=tmp_path) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            written += part
            if not part:
                break
    os.close(ours)
    assert process.returncode == 0
    shown = written.decode()
    assert "tagging test" in shown and "3/3" in shown
    lines = [line.rpartition("\x1b[2K")[2] for line in shown.replace("\r", "").split("\n")]
    assert [line for line in lines if line.startswith("line ")] == ["line 0", "line 1", "line 2"]
