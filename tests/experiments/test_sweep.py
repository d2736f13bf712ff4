"""A sweep by its command, in a clone: trained for real, killed for real."""

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from optuna.trial import TrialState
from support.changed_params import write_params
from support.clones import Clone, make_clone

from clue_ner.common.errors import ParamsError
from clue_ner.experiments.sweep_space import Choices, Range, load_sweep

PLAN: dict[str, Any] = {
    "name": "small",
    "trials": 3,
    "seed": 0,
    "space": {"train.lr": {"low": 1e-4, "high": 1e-2, "log": True}, "train.head": {"choices": ["crf", "softmax"]}},
}


def write_plan(root: Path, **changes: Any) -> None:
    (root / "sweep.yaml").write_text(yaml.safe_dump(PLAN | changes))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone with a plan, its first stages run."""
    clone = make_clone(tmp_path_factory.mktemp("clone"))
    write_plan(clone.path)
    clone.run("dvc", "repro", "tokenize_align")
    clone.run("git", "add", "dvc.lock", "metrics", "sweep.yaml")
    clone.commit("prepared")
    return clone


def trials_of(clone: Clone, name: str = "small") -> list[optuna.trial.FrozenTrial]:
    storage = f"sqlite:///{clone.path}/.sweeps/optuna.db"
    return optuna.load_study(study_name=name, storage=storage).trials


def wait_for(clone: Clone, text: str, process: Any) -> None:
    until = time.monotonic() + 200
    while text not in clone.said():
        assert process.poll() is None and time.monotonic() < until, clone.said()
        time.sleep(0.05)


@pytest.mark.timeout(900)
def test_sweep_goes_on_where_it_was_killed_and_tells_mlflow_later(clone: Clone) -> None:
    clone.environment["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:9"  # nobody listens: tracking must not matter
    process = clone.start("clue-ner", "sweep")
    wait_for(clone, "trial 1, 2 of 3", process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    first, killed = trials_of(clone)
    assert (first.state, killed.state) == (TrialState.COMPLETE, TrialState.RUNNING)

    said = clone.run("clue-ner", "sweep")
    assert "trial 1 was killed, and is tried again" in said and "Pydantic" not in said
    trials = trials_of(clone)
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert trials[2].params == killed.params and trials[0].value == first.value
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    assert len({str(trial.params) for trial in done}) == 3
    best = max(done, key=lambda trial: trial.value or 0)
    changes = " ".join(f"-S {name}={value}" for name, value in best.params.items())
    line = f"best by valid micro F1: dvc exp run {changes}"
    assert line in said
    assert said.index(f"    {best.number}  ") < min(said.index(f"    {t.number}  ") for t in done if t is not best)

    again = clone.run("clue-ner", "sweep")
    assert line in again and "Running stage" not in again and len(trials_of(clone)) == 4
    assert not (clone.path / "metrics/evaluate.json").exists()  # nobody has looked at test

    del clone.environment["MLFLOW_TRACKING_URI"]
    clone.run("clue-ner", "sync")
    clone.run("clue-ner", "sync")
    runs = {run.info.run_name: run for run in clone.runs()}
    assert len(runs) == 4
    parent = runs.pop("sweep small")
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {parent.info.run_id}
    assert {run.data.params["train.lr"] for run in runs.values()} == {str(trial.params["train.lr"]) for trial in done}
    assert "train.lr" not in parent.data.params and parent.data.params["train.epochs"] == "2"
    assert parent.data.metrics["sweep/best_valid_micro_f1"] == pytest.approx(best.value)


@pytest.mark.timeout(900)
def test_sweep_trial_is_the_experiment_that_its_command_makes(clone: Clone) -> None:
    done = next(trial for trial in trials_of(clone) if trial.state == TrialState.COMPLETE)
    command = [*done.user_attrs["command"].split(), "--name", "again", "fine_tune"]
    clone.run(*command)
    ref = re.search(r"(\S+) refs/exps/\S+/again", clone.run("git", "for-each-ref", "--format=%(objectname) %(refname)"))
    assert ref is not None
    metrics = yaml.safe_load(clone.run("git", "show", f"{ref[1]}:metrics/train.json"))
    assert metrics["valid_micro_f1"] == pytest.approx(done.value)


@pytest.mark.timeout(900)
def test_sweep_trains_the_same_params_once(clone: Clone) -> None:
    write_plan(clone.path, name="two", trials=5, space={"train.head": PLAN["space"]["train.head"]})
    said = clone.run("clue-ner", "sweep")
    write_plan(clone.path)
    trials = trials_of(clone, "two")
    assert len(trials) == 5 and all(trial.value is not None for trial in trials)
    heads = {trial.params["train.head"] for trial in trials}
    assert said.count("Running stage 'fine_tune'") == len({t.user_attrs["experiment"] for t in trials}) == len(heads)


@pytest.mark.timeout(900)
def test_sweep_refuses_another_space_under_the_same_name(clone: Clone) -> None:
    write_plan(clone.path, space=PLAN["space"] | {"train.epochs": {"low": 1, "high": 2}})
    said = clone.run("clue-ner", "sweep", ok=False)
    assert "begun with another space" in said and "Running stage" not in said
    write_plan(clone.path)


@pytest.mark.timeout(900)
def test_sweep_counts_failed_trials_and_stops_after_three_failed_trainings(clone: Clone) -> None:
    script = clone.path / "stages/fine_tune.py"
    content = script.read_text()
    script.write_text("raise SystemExit('error: out of order')\n")
    write_plan(clone.path, name="broken", trials=9)
    said = clone.run("clue-ner", "sweep", ok=False)
    script.write_text(content)
    write_plan(clone.path)
    assert said.count("out of order") >= 3 and "3 trainings failed one after the other" in said
    assert [trial.state.name for trial in trials_of(clone, "broken")] == ["FAIL"] * 3


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"space": {"train.lrr": {"low": 1, "high": 2}}}, r"space\.train\.lrr: not a param .*train\.lr, "),
        ({"space": {"seed": {"choices": [0, 1]}}}, r"space\.seed: not a param"),
        ({"space": {"corpus.split_seed": {"choices": [0, 1]}}}, r"space\.corpus\.split_seed: not a param"),
        ({"space": {"train.lr": {"low": -1.0, "high": 1.0}}}, r"space\.train\.lr: .*greater than 0, found -1"),
        ({"space": {"train.head": {"choices": ["crf", "crff"]}}}, r"space\.train\.head: unknown head"),
        ({"space": {"train.epochs": {"low": 1, "high": 2.5}}}, r"space\.train\.epochs: .*integer"),
        ({"space": {"train.lr": {"low": 2.0, "high": 1.0}}}, r"train\.lr.*low 2\.0 is not below high 1\.0"),
        ({"space": {"train.dropout": {"low": 0.0, "high": 0.5, "log": True}}}, r"log wants low above 0"),
        ({"space": {"train.lr": {"low": 1.0, "hi": 2.0}}}, r"space\.train\.lr\.range\.hi"),
        ({"space": {"train.head": {"choices": ["crf"]}}}, r"at least 2"),
        ({"space": {}}, r"space: .*at least 1"),
        ({"trials": 0}, r"trials: .*greater than or equal to 1"),
        ({"name": "a b"}, r"name: "),
        ({"sampler": "grid"}, r"sampler: "),
    ],
)
def test_sweep_refuses_a_wrong_plan_by_name(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    write_params(tmp_path)
    write_plan(tmp_path, **changes)
    with pytest.raises(ParamsError, match=told):
        load_sweep(tmp_path / "sweep.yaml", tmp_path / "params.yaml")


def test_sweep_reads_a_plan(tmp_path: Path) -> None:
    write_params(tmp_path)
    write_plan(tmp_path)
    sweep, base = load_sweep(tmp_path / "sweep.yaml", tmp_path / "params.yaml")
    assert sweep.space["train.lr"] == Range(low=1e-4, high=1e-2, log=True)
    assert sweep.space["train.head"] == Choices(choices=["crf", "softmax"])
    assert base == yaml.safe_load((tmp_path / "params.yaml").read_text())
