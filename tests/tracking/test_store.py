"""What is said of the store before a stage works."""

import logging
from pathlib import Path

import pytest
from support.tracking_repository import own_store  # noqa: F401

from clue_ner.common.errors import TrackingError
from clue_ner.tracking.store import announce


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (None, "MLflow at sqlite:///{root}/mlflow.db (MLFLOW_TRACKING_URI is not set)"),
        (" ", "MLflow at sqlite:///{root}/mlflow.db (MLFLOW_TRACKING_URI is not set)"),
        ("sqlite:///runs.db", "MLflow at sqlite:///{root}/runs.db (MLFLOW_TRACKING_URI)"),
        ("http://me:pa55-w0rd@host:5000", "MLflow at http://***@host:5000 (MLFLOW_TRACKING_URI)"),
    ],
)
def test_store_is_announced_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, written: str | None, said: str
) -> None:
    if written is not None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", written)
    with caplog.at_level(logging.INFO, logger="clue_ner"):
        announce(tmp_path)
    assert caplog.messages == [said.format(root=tmp_path)]
    assert list(tmp_path.iterdir()) == []


def test_store_that_can_never_work_is_not_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "./mlruns")
    with pytest.raises(TrackingError, match="wanted sqlite:///FILE"):
        announce(tmp_path)
