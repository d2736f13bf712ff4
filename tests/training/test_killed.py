"""The stage fine_tune killed for real, at two moments; many more of all stages are in tests/faults."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from test_training_distributed import command, inputs  # noqa: F401

from clue_ner.core.files import folder_fingerprint

STEPS = (3, 8)
"""Steps after which it is killed, one time after the other; 12 are to be done."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("processes", "levers"), [(1, {}), (2, {"ema_decay": 0.9, "fgm_epsilon": 0.1, "r_drop": 0.5})])
def test_fine_tune_killed_twice_gives_the_bytes_of_an_undisturbed_run(
    inputs: Callable[..., Path],  # noqa: F811
    processes: int,
    levers: dict[str, float],
) -> None:
    undisturbed, root = (
        inputs(name, checkpoint_seconds=0.0, dropout=0.1, processes=processes, **levers)
        for name in ("undisturbed", "killed")
    )
    subprocess.run(**command(undisturbed), check=True, timeout=280)
    for steps in STEPS:
        process = subprocess.Popen(**command(root))
        while not any(path.name >= f"step-{steps:08d}" for path in root.glob(".checkpoints/*/step-*")):
            assert process.poll() is None
            time.sleep(0.01)
        for each in (psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)):
            each.kill()
        process.wait()
        assert not (root / "models/tagger").exists()
    done = subprocess.run(**command(root), capture_output=True, text=True, check=True, timeout=280)
    assert f"going on from {root}/.checkpoints/" in done.stderr
    for name in ("models/tagger", "metrics", "plots"):
        assert folder_fingerprint(root / name) == folder_fingerprint(undisturbed / name), name
    assert not list(root.glob(".checkpoints/*/"))
