"""A sweep, killed, resumed, refused; the last test trains for real."""

import logging
import os
import re
import shutil
import signal
import time
from typing import Any

import pytest
import yaml
from filelock import FileLock
from support.clones import make_clone

optuna = pytest.importorskip("optuna", reason="`make setup-features` installs it")

from clue_ner.common.errors import ArtifactError  # noqa: E402
from clue_ner.experiments import sweep as sweep_module  # noqa: E402
from clue_ner.experiments import sweep_recorder  # noqa: E402
from clue_ner.experiments.sweep import identity, run_sweep  # noqa: E402
from clue_ner.experiments.sweep_space import load_sweep  # noqa: E402

PLAN: dict[str, Any] = {
    "name": "small",
    "trials": 3,
    "seed": 0,
    "space": {"train.lr": {"low": 1e-4, "high": 1e-2, "log": True}, "train.head": {"choices": ["crf", "softmax"]}},
}

OLDER_PARAMS = """
seed: 7
corpus: {name: jsonl, path: 我的/语料, valid_fraction: 0.2, split_seed: 0}
backbone: {name: hfl/chinese-bert-wwm-ext, revision: null}
tagging: {scheme: BIO, align: characters_over_pieces, window: 256, overlap: 64}
train: {head: global_pointer, lr: 4e-05, head_lr_factor: 5.0, transition_lr_factor: 100.0, epochs: 4, patience: 0,
  keep: best, batch_size: 32, warmup: 0.1, weight_decay: 1.0e-2, max_grad_norm: 1, dropout: 0.1,
  attention_dropout: 0.0, context_size: 192, layer_lr_decay: 1.0, class_weights: {name: 2.0, 地址: 1}, fgm_epsilon: 0.0,
  r_drop: 1.0, ema_decay: 0.999, layers: null, teacher: null, teacher_weight: 0.5, temperature: 2.0,
  constrained: false, efficient: false, flat: true, head_size: 64, freeze_embeddings: true, freeze_layers: 0,
  attention: auto, precision: auto, compile: false, processes: 1, checkpoint_seconds: 60}
evaluate: {bootstrap: 1000, examples: 20}
export: {onnx: true}
tracking: {experiment: clue-ner, model: clue-ner}
"""
OLDER_SWEEP = """
name: levers
trials: 1
seed: 0
space:
  train.lr: {low: 1.0e-4, high: 5e-04, log: true}
  train.epochs: {low: 3, high: 6}
  train.layers: {choices: [null, 6, 3]}
  train.head: {choices: [global_pointer, biaffine]}
"""
OLDER_IDENTITY = "cb07aec2fc4c2fdc61f1eab251da76f7adea668d937ed823cd2c7f87fe9f61f6"
"""What commit 3ec9ba5 computes for the two."""


@pytest.fixture
def sweep(repository, monkeypatch):
    """``sweep()`` does in this process what ``clue-ner sweep`` does, without MLflow; the trials, best first."""
    for name in ("CLUE_NER_HOME", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sweep_recorder, "push", lambda *arguments, **options: None)
    plan = repository.path / "sweep.yaml"
    return lambda: run_sweep(repository.path, *load_sweep(plan, plan.with_name("params.yaml")), plan.read_text())


def write_plan(root, **changes):
    """Write sweep.yaml: ``PLAN`` with ``changes``."""
    (root / "sweep.yaml").write_text(yaml.safe_dump(PLAN | changes))


def trials_of(root, name="small"):
    """The trials in the store of a sweep."""
    return optuna.load_study(study_name=name, storage=f"sqlite:///{root}/.sweeps/optuna.db").trials


def test_sweep_resumes_where_it_was_killed_with_the_proposals_of_an_undisturbed_one(repository, sweep, monkeypatch):
    write_plan(repository.path)
    (repository.path / ".git/hold").touch()
    if (process := os.fork()) == 0:
        os.setsid()
        try:
            sweep()
        finally:
            os._exit(1)
    while len(repository.runs()) < 2:
        assert os.waitpid(process, os.WNOHANG) == (0, 0)
        time.sleep(0.05)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    first, killed = trials_of(repository.path)
    assert (first.state, killed.state) == (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.RUNNING)

    (repository.path / ".git/hold").unlink()
    output = repository.run("clue-ner", "sweep")
    assert "trial 1 was killed and runs again" in output
    trials = trials_of(repository.path)
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert trials[2].params == killed.params and trials[0].value == first.value
    done = [trial for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE]
    assert [float(rate) for rate in repository.runs()] == [trial.params["train.lr"] for trial in trials]
    best = max(done, key=lambda trial: trial.value or 0)
    changes = " ".join(f"-S {name}={value}" for name, value in best.params.items())
    line = f"best by valid micro F1: dvc exp run {changes}"
    assert line in output
    assert output.index(f"    {best.number}  ") < min(output.index(f"    {t.number}  ") for t in done if t is not best)

    assert sweep()[0].params == best.params and len(repository.runs()) == 4  # nothing is left to do

    shutil.rmtree(repository.path / ".sweeps")
    scores = {str(trial.params): trial.value for trial in done}
    monkeypatch.setattr(sweep_module, "_valid_f1", lambda *arguments: ("small-0", scores[str(arguments[-1].params)]))
    assert sweep()[0].params == best.params
    assert [trial.params for trial in trials_of(repository.path)] == [trial.params for trial in done]


def test_sweep_trial_is_the_experiment_that_its_command_makes(repository, sweep):
    write_plan(repository.path, trials=1)
    (done,) = sweep()
    repository.run(*done.user_attrs["command"].split(), "--name", "again", "fine_tune")
    for name in ("small-0", "again"):
        ref = repository.run("git", "for-each-ref", "--format=%(objectname)", f"refs/exps/*/*/{name}").strip()
        metrics, params = (
            yaml.safe_load(repository.run("git", "show", f"{ref}:{file}"))
            for file in ("metrics/train.json", "params.yaml")
        )
        assert metrics["valid_micro_f1"] == pytest.approx(done.value)
        assert {name: params["train"][name.removeprefix("train.")] for name in done.params} == done.params


def test_sweep_trains_the_same_params_once(repository, sweep):
    write_plan(repository.path, trials=5, space={"train.head": PLAN["space"]["train.head"]})
    trials = sweep()
    assert len(trials) == 5 and all(trial.value is not None for trial in trials)
    assert [trial.value for trial in trials] == sorted((trial.value for trial in trials), reverse=True)
    heads = {trial.params["train.head"] for trial in trials}
    experiments = {trial.user_attrs["experiment"] for trial in trials}
    assert len(experiments) == len(heads) == len(repository.runs())


def test_sweep_leaves_loggers_as_they_are(repository):
    """Optuna's migrations would disable them, and a sweep would say nothing of its trials."""
    logger = logging.getLogger("clue_ner.experiments.sweep")
    logger.disabled = False
    write_plan(repository.path)
    plan, base = load_sweep(repository.path / "sweep.yaml", repository.path / "params.yaml")
    (repository.path / ".sweeps").mkdir()
    sweep_module._open(repository.path / ".sweeps", plan, base)
    assert not logger.disabled


def test_sweep_refuses_another_space_or_other_params_under_the_same_name(repository, sweep):
    write_plan(repository.path, trials=1)
    sweep()
    write_plan(repository.path, space=PLAN["space"] | {"train.epochs": {"low": 1, "high": 2}})
    with pytest.raises(ArtifactError, match="started with another space"):
        sweep()
    write_plan(repository.path)
    params = repository.path / "params.yaml"
    params.write_text(params.read_text().replace("epochs: 4", "epochs: 5"))
    with pytest.raises(ArtifactError, match=r"other params in params\.yaml"):
        sweep()
    assert len(repository.runs()) == 1


def test_sweep_counts_failed_trials_and_stops_after_three_failed_trainings(repository, sweep, capfd):
    (repository.path / "stages/fine_tune.py").write_text("raise SystemExit('error: out of order')\n")
    write_plan(repository.path, trials=9)
    with pytest.raises(ArtifactError, match="3 trainings failed one after the other"):
        sweep()
    assert capfd.readouterr().err.count("error: out of order") == 3
    assert [trial.state.name for trial in trials_of(repository.path)] == ["FAIL"] * 3


def test_sweep_counts_params_that_do_not_go_together_but_does_not_stop_for_them(repository, sweep):
    params = repository.path / "params.yaml"
    params.write_text(params.read_text().replace("scheme: BIO", "scheme: BIOES"))
    write_plan(repository.path, trials=6, space={"train.head": {"choices": ["crf", "span", "biaffine"]}})
    trials = sweep()
    assert len(trials) == 6
    failed = [trial for trial in trials if trial.state == optuna.trial.TrialState.FAIL]
    assert {trial.params["train.head"] for trial in failed} == {"span", "biaffine"} and len(failed) > 2
    assert all("only works with sequence-labelling heads" in trial.user_attrs["error"] for trial in failed)
    assert trials[: -len(failed)] and all(trial.value is None for trial in trials[-len(failed) :])


def test_sweep_is_refused_while_another_process_runs_it(repository, sweep):
    write_plan(repository.path)
    (repository.path / ".sweeps").mkdir()
    with FileLock(repository.path / ".sweeps/small.lock"), pytest.raises(ArtifactError, match="another process runs"):
        sweep()


def test_sweep_of_an_older_version_has_the_same_identity(tmp_path):
    (tmp_path / "params.yaml").write_text(OLDER_PARAMS)
    (tmp_path / "sweep.yaml").write_text(OLDER_SWEEP)
    assert identity(*load_sweep(tmp_path / "sweep.yaml", tmp_path / "params.yaml")) == OLDER_IDENTITY


def test_sweep_resumes_one_of_an_older_version(repository, sweep):
    (repository.path / "params.yaml").write_text(OLDER_PARAMS)
    (repository.path / "sweep.yaml").write_text(OLDER_SWEEP)
    repository.commit()
    (repository.path / ".sweeps").mkdir()
    storage = f"sqlite:///{repository.path}/.sweeps/optuna.db"
    study = optuna.create_study(storage=storage, study_name="levers", direction="maximize")
    study.set_user_attr("identity", OLDER_IDENTITY)
    params = {"train.lr": 2e-4, "train.epochs": 5, "train.layers": None, "train.head": "biaffine"}
    distributions = {
        "train.lr": optuna.distributions.FloatDistribution(1e-4, 5e-4, log=True),
        "train.epochs": optuna.distributions.IntDistribution(3, 6),
        "train.layers": optuna.distributions.CategoricalDistribution([None, 6, 3]),
        "train.head": optuna.distributions.CategoricalDistribution(["global_pointer", "biaffine"]),
    }
    kept = {"experiment": "levers-0", "command": "dvc exp run --temp"}
    study.add_trial(optuna.create_trial(params=params, distributions=distributions, value=0.99, user_attrs=kept))
    assert [trial.params for trial in sweep()] == [params] and repository.runs() == []
    (repository.path / "sweep.yaml").write_text(OLDER_SWEEP.replace("trials: 1", "trials: 2"))
    best, new = sweep()
    assert (best.params, best.value, best.number) == (params, 0.99, 0)
    assert len(repository.runs()) == 1 and new.params["train.lr"] == float(repository.runs()[0])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sweep_that_trains_for_real_is_killed_resumed_and_sent_to_mlflow_later(tmp_path):
    clone = make_clone(tmp_path)
    write_plan(clone.path)
    clone.run("dvc", "repro", "tokenize_align")
    clone.run("git", "add", "dvc.lock", "metrics", "sweep.yaml")
    clone.commit("prepared")
    clone.environment["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:9"  # nobody listens: tracking must not matter
    process = clone.start("clue-ner", "sweep")
    until = time.monotonic() + 200
    while "trial 1, 2 of 3" not in clone.said():
        assert process.poll() is None and time.monotonic() < until, clone.said()
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    first, killed = trials_of(clone.path)
    assert (first.state, killed.state) == (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.RUNNING)

    output = clone.run("clue-ner", "sweep")
    assert "trial 1 was killed and runs again" in output and "Pydantic" not in output
    trials = trials_of(clone.path)
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert trials[2].params == killed.params and trials[0].value == first.value
    done = [trial for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE]
    assert len({str(trial.params) for trial in done}) == 3
    best = max(done, key=lambda trial: trial.value or 0)
    changes = " ".join(f"-S {name}={value}" for name, value in best.params.items())
    line = f"best by valid micro F1: dvc exp run {changes}"
    assert line in output

    again = clone.run("clue-ner", "sweep")
    assert line in again and "Running stage" not in again and len(trials_of(clone.path)) == 4
    assert not (clone.path / "metrics/evaluate.json").exists()  # nobody has looked at test

    clone.run(*done[0].user_attrs["command"].split(), "--name", "again", "fine_tune")
    ref = re.search(r"(\S+) refs/exps/\S+/again", clone.run("git", "for-each-ref", "--format=%(objectname) %(refname)"))
    assert ref is not None
    metrics = yaml.safe_load(clone.run("git", "show", f"{ref[1]}:metrics/train.json"))
    assert metrics["valid_micro_f1"] == pytest.approx(done[0].value)

    del clone.environment["MLFLOW_TRACKING_URI"]
    clone.run("clue-ner", "sync")
    clone.run("clue-ner", "sync")
    runs = {run.info.run_name: run for run in clone.runs()}
    parent = runs.pop("sweep small")
    of_sweep = [run for run in runs.values() if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(runs) == len(of_sweep) == 3
    assert {run.data.params["train.lr"] for run in of_sweep} == {str(trial.params["train.lr"]) for trial in done}
    assert "train.lr" not in parent.data.params and parent.data.params["train.epochs"] == "2"
    assert parent.data.metrics["sweep/best_valid_micro_f1"] == pytest.approx(best.value)
