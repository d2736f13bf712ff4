"""Checkpoints on disk: damaged ones are not used, what is of no use is removed, a full disk ends no training."""

import errno
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.damage import flip, truncate

from clue_ner.training import checkpoints as module
from clue_ner.training.checkpoints import Checkpoints

FILES = ("model.safetensors", "optimizer.pt", "progress.json", "processes.pt")


def of(home: Path, **about: Any) -> Checkpoints:
    return Checkpoints(home, {"training": "a", "code": "b", **about})


def put(folder: Path, *names: str, content: str = "1") -> None:
    for name in names:
        (folder / name).write_text(content)


@pytest.mark.parametrize("damage", [truncate, flip, Path.unlink])
@pytest.mark.parametrize("name", [*FILES, "checksums.json"])
def test_checkpoints_damaged_is_named_and_the_one_before_is_used(
    tmp_path: Path, name: str, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    kept = of(tmp_path)
    for step in (1, 2):
        kept.write(step, lambda folder: put(folder, *FILES, content="content " * 40))
    damage(kept.folder / "step-00000002" / name)
    with caplog.at_level(logging.WARNING, logger="clue_ner"):
        assert kept.newest() == kept.folder / "step-00000001"
    (line,) = caplog.messages
    assert f"step-00000002/{name}" in line or name == "checksums.json"
    assert not (kept.folder / "step-00000002").exists()


def test_checkpoints_of_other_params_are_not_used_and_stay(tmp_path: Path) -> None:
    for name in ("a", "c"):
        of(tmp_path, training=name).write(1, lambda folder: put(folder, "x"))
    assert of(tmp_path, training="d").newest() is None
    with of(tmp_path).held():
        assert of(tmp_path, training="c").newest() is not None


def test_checkpoints_are_the_last_two_and_go_when_asked(tmp_path: Path) -> None:
    kept = of(tmp_path)
    for step in (1, 2, 10, 11):
        kept.write(step, lambda folder: put(folder, "x"))
    assert sorted(path.name for path in kept.folder.glob("step-*")) == ["step-00000010", "step-00000011"]
    kept.remove()
    assert not kept.folder.exists()


def test_checkpoints_of_other_code_and_half_ones_are_cleared_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other, kept = of(tmp_path, code="old"), of(tmp_path)
    for one in (other, kept):
        one.write(1, lambda folder: put(folder, "x"))
    shutil.copytree(kept.folder / "step-00000001", kept.folder / ".step-00000002.abc")
    with caplog.at_level(logging.INFO, logger="clue_ner"), kept.held():
        assert not other.folder.exists()
        assert [path.name for path in kept.folder.glob("*step-*")] == ["step-00000001"]
    assert caplog.messages == [f"removed the checkpoints in {other.folder}: they were made by other code"]


def test_checkpoints_of_a_running_training_are_left_there(tmp_path: Path) -> None:
    running = of(tmp_path, code="old")
    with running.held():
        running.write(1, lambda folder: put(folder, "x"))
        with of(tmp_path).held():
            assert running.newest() is not None


def test_checkpoints_have_a_limit_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT", 5000)
    for number in range(4):
        of(tmp_path, training=number).write(1, lambda folder: put(folder, "x", content="?" * 2000))
        os.utime(of(tmp_path, training=number).folder, (number, number))
    with of(tmp_path).held():
        left = [number for number in range(4) if of(tmp_path, training=number).newest()]
    assert left == [2, 3]


@pytest.mark.parametrize("where", ["mkdtemp", "write_checksums"])
def test_checkpoints_on_a_full_disk_are_left_out_with_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    kept = of(tmp_path)
    kept.write(1, lambda folder: put(folder, "x"))
    monkeypatch.setattr(
        *{"mkdtemp": (tempfile, "mkdtemp"), "write_checksums": (module, "write_checksums")}[where], full
    )
    kept.write(2, lambda folder: put(folder, "x"))
    assert caplog.messages == ["no checkpoint at step 2: the disk is full; free some space"]
    assert kept.newest() == kept.folder / "step-00000001"
