"""How busy the machine was goes into the journal if MLflow's switch is on, and never stops a training."""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.tracking_repository import (
    begin,
    local_client,
    own_store,  # noqa: F401
    points,
    ready_store,  # noqa: F401
    runs,
)

from clue_ner.tracking import Journal, push
from clue_ner.tracking.system_metrics import SystemMetrics

CPU = "system/cpu_utilization_percentage"


def steps(journal: Journal) -> list[int]:
    """The steps of the samples, as they were noted."""
    lines = [json.loads(line) for line in journal.path.read_text().splitlines()]
    return [line["step"] for line in lines if CPU in line.get("values", {})]


def sample(journal: Journal, until: Callable[[], bool]) -> None:
    with SystemMetrics(journal):
        end = time.monotonic() + 60
        while not until() and time.monotonic() < end:
            time.sleep(0.02)


@pytest.fixture
def switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")


def test_system_metrics_reach_the_run_and_resume_with_the_next_step(tmp_path: Path, switched_on: None) -> None:
    journal = begin(tmp_path, "a")
    push(tmp_path, journal.fingerprint)
    sample(journal, lambda: len(steps(journal)) >= 2)
    first = len(steps(journal))
    sample(journal, lambda: len(steps(journal)) > first)
    assert steps(journal) == list(range(len(steps(journal))))
    for _ in range(2):
        assert push(tmp_path, journal.fingerprint)
    (run,) = runs(local_client(tmp_path))
    assert [step for step, _ in points(local_client(tmp_path), run)[CPU]] == steps(journal)
    assert 0 <= run.data.metrics["system/system_memory_usage_percentage"] <= 100


@pytest.mark.parametrize("value", [None, "false", "0"])
def test_system_metrics_are_off_unless_switched_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, switched_on: None, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING")
    else:
        monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", value)
    journal = begin(tmp_path, "a")
    with SystemMetrics(journal):
        time.sleep(0.3)
    assert steps(journal) == []


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def append(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "metrics", append)


def no_sensor(monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    monkeypatch.setattr(psutil, "cpu_percent", lambda: 1 / 0)


def wrong_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "perhaps")


def wrong_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "often")


@pytest.mark.parametrize("spoil", [full_disk, no_sensor, wrong_switch, wrong_interval])
def test_system_metrics_that_cannot_be_had_are_one_warning(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    switched_on: None,
    spoil: Callable[[pytest.MonkeyPatch], None],
) -> None:
    journal = begin(tmp_path, "a")
    spoil(monkeypatch)
    with caplog.at_level(logging.WARNING, logger="clue_ner"):
        sample(journal, lambda: bool(caplog.messages))
    (message,) = caplog.messages
    assert message.startswith("no system metrics for MLflow: ")
