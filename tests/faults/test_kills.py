"""SIGKILL at seeded random moments of every stage, then the same command again.

``KILLS`` (30) in the environment is how many, ``SEED`` (1) the seed of the moments.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.clones import STAGES, Clone, make_clone
from support.damage import flip, truncate
from support.forked_stages import StageForker
from support.kills import assert_nothing_half, is_whole, kill_all, kill_stage, results, stage_process

KILLS = int(os.environ.get("KILLS", "30"))
SEED = int(os.environ.get("SEED", "1"))
TRAIN = {"epochs": 3, "batch_size": 2, "checkpoint_seconds": 0.0, "precision": "float32"}
FINE_TUNE = ("dvc", "repro", "--force", "--single-item", "fine_tune")
VIA_DVC = 5
"""Every fifth kill is of the whole command ``dvc repro``; the others of the stage's own process, which costs less."""
STAGE_OF = [("fine_tune" if number % 2 == 0 else STAGES[number // 2 % len(STAGES)]) for number in range(KILLS)]
"""Every second kill is fine_tune's; the others take turns."""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which all stages ran once, and how long each took."""
    return make_clone(tmp_path_factory.mktemp("kills"), train=TRAIN)


@pytest.fixture(scope="module")
def undisturbed(clone: Clone) -> tuple[dict[str, str], dict[str, float]]:
    """Checksums of all results, and the seconds that each stage's process lives."""
    seconds = {}
    process = clone.start("dvc", "repro")
    for stage in STAGES:
        found = stage_process(process, stage)
        started = time.monotonic()
        assert found is not None, clone.said()
        while found.is_running() and found.status() != "zombie" and process.poll() is None:
            time.sleep(0.02)
        seconds[stage] = time.monotonic() - started
    assert process.wait(60) == 0, clone.said()
    clone.run("git", "add", "dvc.lock", "metrics", "plots")
    clone.commit("ran")
    return results(clone.path), seconds


@pytest.fixture(scope="module")
def forker(clone: Clone, undisturbed: Any) -> Iterator[StageForker]:
    """Where stages are forked from, after each of them did there what it does in a process of its own."""
    with StageForker(clone) as forker:
        for stage in STAGES:
            forker.seconds[stage] = forker.whole(stage)
            assert results(clone.path) == undisturbed[0], stage
        yield forker


def restore(clone: Clone, before: dict[str, str]) -> None:
    """Bring back what a test before this one left otherwise."""
    if results(clone.path) != before:
        clone.run("dvc", "checkout", "--force", ok=None)
        clone.run("dvc", "repro")


def kill_forked(clone: Clone, undisturbed: Any, forker: StageForker, stage: str, chance: random.Random) -> None:
    """Kill a stage's process, look at what it left, run it again, compare."""
    before = undisturbed[0]
    restore(clone, before)
    process = forker.begin(stage)
    moment = chance.uniform(0, forker.seconds[stage] * 1.05)
    time.sleep(moment)
    forker.kill(process)
    assert_nothing_half(clone, before)
    had_checkpoint = any(map(is_whole, clone.path.glob(".checkpoints/*/step-*")))
    forker.whole(stage)
    assert results(clone.path) == before, f"{stage} killed after {moment:.2f} s of {forker.seconds[stage]:.2f} s"
    assert ("resuming from" in clone.said()) == had_checkpoint
    assert not any(clone.path.glob(".checkpoints/*/"))


def kill_once(clone: Clone, undisturbed: Any, stage: str, chance: random.Random) -> None:
    """Kill ``dvc repro`` or the stage below it, look at what it left, run it again, compare."""
    before, seconds = undisturbed
    restore(clone, before)
    command = ("dvc", "repro", "--force", "--single-item", stage)
    process = clone.start(*command)
    found = stage_process(process, stage)
    moment = chance.uniform(0, seconds[stage] + 0.5)
    time.sleep(moment)
    if chance.random() < 0.5 and found is not None:
        kill_stage(process, found)
    else:
        kill_all(process)
    assert_nothing_half(clone, before)
    had_checkpoint = any(map(is_whole, clone.path.glob(".checkpoints/*/step-*")))
    said = clone.run(*command, ok=None)
    if "dvc.lock' validation failed" in said:  # DVC itself was killed while it wrote that in place
        clone.run("git", "checkout", "dvc.lock")
        said = clone.run(*command)
    assert results(clone.path) == before, f"{stage} killed after {moment:.2f} s of {seconds[stage]:.2f} s\n{said}"
    assert ("resuming from" in said) == had_checkpoint
    assert not any(clone.path.glob(".checkpoints/*/"))


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", range(KILLS))
def test_kill_of_a_stage_and_again_gives_the_same_bytes(
    clone: Clone, undisturbed: Any, forker: StageForker, number: int, fault: Any
) -> None:
    fault(f"SIGKILL of {STAGE_OF[number]}")
    chance = random.Random(f"{SEED} {number}")
    if number % VIA_DVC:
        kill_forked(clone, undisturbed, forker, STAGE_OF[number], chance)
    else:
        kill_once(clone, undisturbed, STAGE_OF[number], chance)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_kill_after_kill_logs_one_run_and_one_version(clone: Clone, undisturbed: Any, fault: Any) -> None:
    fault("SIGKILLs, and MLflow in the end")
    clone.run("clue-ner", "sync")
    (run,) = clone.runs()
    assert run.info.status == "FINISHED"
    client = clone.client()
    for metric in ("train/loss", "valid/micro_f1"):
        history = client.get_metric_history(run.info.run_id, metric)
        assert [point.step for point in history] == [1, 2, 3]
    assert len(client.get_metric_history(run.info.run_id, "test/micro_f1")) == 1
    assert len(client.search_model_versions("name='clue-ner'")) == 1


def kill_in_training(clone: Clone, steps: int = 8) -> Path:
    """Kill fine_tune when it has done ``steps`` steps; its newest checkpoint."""
    process = clone.start(*FINE_TUNE)
    while process.poll() is None:
        found = sorted(clone.path.glob(".checkpoints/*/step-*"))
        if found and int(found[-1].name.removeprefix("step-")) >= steps:
            kill_all(process)
            return sorted(clone.path.glob(".checkpoints/*/step-*"))[-1]
        time.sleep(0.01)
    raise AssertionError(clone.said())


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("damage", "name"), [(truncate, "optimizer.pt"), (flip, "model.safetensors")])
def test_kill_and_a_damaged_checkpoint(
    clone: Clone, undisturbed: Any, damage: Callable[[Path], None], name: str, fault: Any
) -> None:
    fault(f"checkpoint {damage.__name__}")
    newest = kill_in_training(clone)
    damage(newest / name)
    said = clone.run(*FINE_TUNE)
    assert said.count(f"{newest.name}/{name}: damaged") == 1
    before = int(newest.name.removeprefix("step-")) - 1
    assert f"resuming from {newest.parent}/step-{before:08d}" in said
    assert results(clone.path) == undisturbed[0]


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_kill_and_other_params_and_code(clone: Clone, undisturbed: Any, fault: Any) -> None:
    fault("params, then code changed after a kill")
    newest = kill_in_training(clone)
    params, code = clone.path / "params.yaml", clone.path / "src/clue_ner/evaluation/scores.py"
    written = params.read_text(), code.read_text()
    try:
        params.write_text(written[0].replace("epochs: 3", "epochs: 1"))
        assert "resuming from" not in clone.run(*FINE_TUNE)
        assert newest.exists(), "the first training can still be resumed"
        params.write_text(written[0])
        code.write_text(written[1] + "# changed\n")
        said = clone.run(*FINE_TUNE)
        assert "resuming from" not in said
        assert f"removed the checkpoints in {newest.parent}: they were made by other code" in said
        assert not newest.exists()
    finally:
        params.write_text(written[0])
        code.write_text(written[1])
    clone.run(*FINE_TUNE)
    assert results(clone.path) == undisturbed[0]
