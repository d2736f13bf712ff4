"""What `make demo` asks before it works; whole demos are in tests/faults."""

import os
import sys
from pathlib import Path

import pytest

from clue_ner.common.errors import TrackingError
from clue_ner.demo import main, run_quietly


@pytest.mark.parametrize("address", ["./mlruns", "file:///tmp/mlruns", "databricks"])
def test_demo_refuses_a_store_that_can_never_work(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(TrackingError, match=r"^MLFLOW_TRACKING_URI: found "):
        main(tmp_path)
    assert list(tmp_path.iterdir()) == []


DVC = r"""
import sys
lines = ["", "Running stage 'download':", "> sh stages/python stages/download.py", "Updating lock file 'dvc.lock'", "",
         "Stage 'tag_map' didn't change, skipping", "Stage 'backbone' is cached - skipping run, checking out outputs",
         "To track the changes with git, run:", "", "\tgit add dvc.lock",
         "Use `dvc push` to send your updates to remote storage.",
         "Data and pipelines are up to date.", "something that nobody expected"]
print("\n".join(lines))
print("a stage's own line", file=sys.stderr)
sys.exit(3)
"""


def test_demo_shows_the_stages_and_leaves_out_the_rest_of_what_dvc_says(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_quietly([sys.executable, "-c", DVC], tmp_path, dict(os.environ)) == 3
    said = capfd.readouterr()
    assert said.out.splitlines() == [
        "stage download",
        "stage tag_map, as before",
        "stage backbone, as before",
        "something that nobody expected",
    ]
    assert said.err == "a stage's own line\n"
