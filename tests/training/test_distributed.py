"""Several processes on one training: how they are started; that they are one training is in tests/stages."""

import subprocess
import sys
from typing import Any

import pytest

from clue_ner.training import distributed


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The commands that are started, in place of running them; they end well."""
    for name in ("TORCHELASTIC_RUN_ID", "OMP_NUM_THREADS", "RANK"):
        monkeypatch.delenv(name, raising=False)
    commands: list[dict[str, Any]] = []

    def run(command: list[str], env: dict[str, str], check: bool) -> "subprocess.CompletedProcess[str]":
        commands.append({"command": command, "threads": env["OMP_NUM_THREADS"]})
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_distributed_starts_torchrun_with_a_share_of_the_threads(
    launched: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 7)
    assert distributed.relaunch("stages/fine_tune.py", 3)
    (one,) = launched
    assert one["command"][:3] == [sys.executable, "-m", "torch.distributed.run"]
    assert one["command"][-2:] == ["--nproc-per-node=3", "stages/fine_tune.py"]
    assert one["threads"] == "2"
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert distributed.relaunch("stages/fine_tune.py", 3)
    assert launched[1]["threads"] == "5"


def test_distributed_starts_nothing_for_one_process_or_in_a_started_one(
    launched: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not distributed.relaunch("stages/fine_tune.py", 1)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "a")
    assert not distributed.relaunch("stages/fine_tune.py", 2)
    assert launched == []


def test_distributed_ends_with_the_status_of_a_process_that_failed(
    launched: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 3))
    with pytest.raises(SystemExit) as ended:
        distributed.relaunch("stages/fine_tune.py", 2)
    assert ended.value.code == 3


def test_distributed_main_process_is_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert (distributed.rank(), distributed.is_main_process()) == (0, True)
    monkeypatch.setenv("RANK", "1")
    assert (distributed.rank(), distributed.is_main_process()) == (1, False)
