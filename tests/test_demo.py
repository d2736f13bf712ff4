"""What `make demo` asks before it works; whole demos are in tests/faults."""

from pathlib import Path

import pytest

from clue_ner.common.errors import TrackingError
from clue_ner.demo import main


@pytest.mark.parametrize("address", ["./mlruns", "file:///tmp/mlruns", "databricks"])
def test_demo_refuses_a_store_that_can_never_work(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(TrackingError, match=r"^MLFLOW_TRACKING_URI: found "):
        main(tmp_path)
    assert list(tmp_path.iterdir()) == []
