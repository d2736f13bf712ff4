"""What every stage script does around its main."""

import errno
import gc
import logging
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyarrow import ArrowException
from safetensors import SafetensorError

from clue_ner.common import stage
from clue_ner.common.errors import ClueNerError, CorpusError
from clue_ner.common.stage import run


@pytest.fixture(autouse=True)
def own_streams_and_logger(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a stage sets for its whole process is as before after the test."""
    logger = logging.getLogger("clue_ner")
    before = logger.handlers, logger.propagate, logger.level
    for name in ("stdout", "stderr", "excepthook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    yield
    logger.handlers, logger.propagate = before[:2]
    logger.setLevel(before[2])
    gc.unfreeze()


def _raising(error: BaseException) -> object:
    def main(root: Path) -> None:
        raise error

    return main


def test_stage_runs_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(lambda root: (root / "made").touch())
    assert (tmp_path / "made").exists()


def test_stage_ends_with_one_line_for_an_error_of_ours() -> None:
    with pytest.raises(SystemExit, match=r"^error: train\.jsonl:3: bad$") as info:
        run(_raising(CorpusError("train.jsonl:3: bad")))
    assert isinstance(info.value.code, str)  # a string becomes stderr and the status 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_stage_says_that_the_disk_is_full(number: int) -> None:
    with pytest.raises(SystemExit, match=r"^error: the disk is full \(data/x\); free some space and run `dvc repro`$"):
        run(_raising(OSError(number, "full", "data/x")))


@pytest.mark.parametrize(
    "error",
    [
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        ArrowException("[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device"),
        sqlite3.OperationalError("database or disk is full"),
    ],
)
def test_stage_understands_libraries_that_find_the_disk_full(error: Exception) -> None:
    with pytest.raises(SystemExit, match=r"^error: the disk is full \(while writing\); free some space"):
        run(_raising(error))


@pytest.mark.parametrize("size", [10, 10**6])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_stage_understands_torch_that_finds_the_disk_full(size: int, tmp_path: Path) -> None:
    """Its errors differ by where in the file the disk is full, and name no reason."""
    import torch

    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(RuntimeError) as caught:
        torch.save(torch.zeros(size), tmp_path / "full")
    with pytest.raises(SystemExit, match=r"^error: the disk is full \(while writing\); free some space"):
        run(_raising(caught.value))


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "denied"), ValueError("a bug"), KeyboardInterrupt("now")])
def test_stage_lets_other_errors_through(error: BaseException) -> None:
    with pytest.raises(type(error), match=r"denied|a bug|now"):
        run(_raising(error))
    assert not isinstance(error, ClueNerError)


def test_stage_collects_garbage_lazily_and_then_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int, int]] = []
    monkeypatch.setattr(stage, "IMPORT_SECONDS", 0.2)
    run(lambda root: seen.append(gc.get_threshold()))
    assert seen[0][0] > stage.USUAL[0]
    deadline = time.monotonic() + 10
    while gc.get_threshold() != stage.USUAL and time.monotonic() < deadline:
        time.sleep(0.01)
    assert gc.get_threshold() == stage.USUAL
