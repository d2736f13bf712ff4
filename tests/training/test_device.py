"""Trainings of one repository take turns on a device, by a lock that dies with its holder."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.tracking_repository import python

CODE = """
import logging, sys, time
from pathlib import Path
from clue_ner.training.device import turn
logging.basicConfig(level=logging.INFO, format="%(message)s")
root, name, cores = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
if cores:
    import os
    os.sched_setaffinity(0, {int(cores)})
with turn(root):
    (root / name).touch()
    time.sleep(600 if name == "first" else 0)
"""


def start(root: Path, name: str, cores: str = "") -> "subprocess.Popen[bytes]":
    return python(CODE, root, name, cores, CUDA_VISIBLE_DEVICES="")


def wait_for(path: Path, process: "subprocess.Popen[bytes]") -> None:
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.02)


def test_device_has_one_training_at_a_time_and_is_free_after_a_kill(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = start(tmp_path, "first")
    wait_for(tmp_path / "first", first)
    second = start(tmp_path, "second")
    said = ""
    while "waiting for its end" not in said:
        assert second.poll() is None
        said += capfd.readouterr().err
        time.sleep(0.02)
    assert not (tmp_path / "second").exists()
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert second.wait(60) == 0
    assert (tmp_path / "second").exists()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core")
def test_device_of_other_cores_is_another(tmp_path: Path) -> None:
    one, other, *_ = sorted(os.sched_getaffinity(0))
    first = start(tmp_path, "first", str(one))
    try:
        wait_for(tmp_path / "first", first)
        assert start(tmp_path, "second", str(other)).wait(60) == 0
    finally:
        first.kill()
        first.wait()
