"""What a training tells MLflow from its first to its last line."""

import time
from pathlib import Path

import pytest
from support.tracking_repository import (
    local_client,
    own_store,  # noqa: F401
    ready_store,  # noqa: F401
    runs,
    training,
    write_repository,
)

from clue_ner.common.errors import TrainingError
from clue_ner.core.params import load_params
from clue_ner.tagger.config import TaggerConfig
from clue_ner.tracking import Journal
from clue_ner.tracking.recorder import TrainingRecorder


def recorder(root: Path) -> TrainingRecorder:
    write_repository(root, "a")
    return TrainingRecorder(
        root, load_params(root / "params.yaml"), TaggerConfig.load(root / "models" / "tagger"), "cpu"
    )


def test_recorder_ends_with_a_whole_run_and_where_to_look_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    with caplog.at_level("INFO", logger="clue_ner"), recorder(tmp_path) as recording:
        (run,) = runs(local_client(tmp_path))
        assert (run.info.run_name, run.info.status) == ("global_pointer lr 2e-4 seed 1", "RUNNING")
        journal = Journal(tmp_path, recording.fingerprint)
        end = time.monotonic() + 60
        while "system/" not in journal.path.read_text() and time.monotonic() < end:
            time.sleep(0.02)
        recording.finish(training(), [])
    (run,) = runs(local_client(tmp_path))
    assert run.info.status == "FINISHED"
    assert "system/cpu_utilization_percentage" in run.data.metrics
    assert run.data.tags["mlflow.note.content"] == "Valid F1 60.00, in epoch 2 of 2."
    assert caplog.messages[-1].startswith("the run in MLflow: `make ui`, then http://127.0.0.1:5000/#/experiments/")
    lines = journal.path.read_text()
    time.sleep(0.3)
    assert journal.path.read_text() == lines  # no samples after the end


def test_recorder_of_a_training_that_failed_says_why_and_takes_no_more_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.05")
    with pytest.raises(TrainingError), recorder(tmp_path) as recording:
        raise TrainingError("the loss is not finite")
    (run,) = runs(local_client(tmp_path))
    assert (run.info.status, run.data.tags["clue_ner.failure"]) == ("FAILED", "the loss is not finite")
    journal = Journal(tmp_path, recording.fingerprint)
    lines = journal.path.read_text()
    time.sleep(0.3)
    assert journal.path.read_text() == lines
