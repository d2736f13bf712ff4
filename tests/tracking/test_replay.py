import json
import logging
import os
import signal
import time
from pathlib import Path

import pytest
from support.tracking_repository import (
    EVALUATION,
    begin,
    fingerprint_of,
    free_port,
    local_client,
    own_store,  # noqa: F401
    points,
    python,
    ready_store,  # noqa: F401
    runs,
    training,
    write_repository,
)

from clue_ner.common.errors import TrackingError
from clue_ner.tracking import Journal, push, record_epoch, record_evaluation, record_training
from clue_ner.tracking.replay import restore


def files_of(root: Path, run: object) -> list[str]:
    client, found, folders = local_client(root), [], [""]
    while folders:
        for entry in client.list_artifacts(run.info.run_id, folders.pop()):  # type: ignore[attr-defined]
            (folders if entry.is_dir else found).append(entry.path)
    return sorted(found)


def test_replay_warnings_of_an_evaluation_become_a_tag_of_the_run(tmp_path: Path) -> None:
    write_repository(tmp_path, "a")
    journal = begin(tmp_path, "a")
    record_training(tmp_path, journal.fingerprint, training(), [])
    for texts in ([], ["test: leaks", "valid: no entity"], ["test: leaks"], []):
        record_evaluation(tmp_path, journal.fingerprint, EVALUATION | {"warnings": {"count": 0, "texts": texts}}, [])
        (run,) = runs(local_client(tmp_path))
        assert run.data.tags.get("clue_ner.warnings") == ("\n".join(texts) or None)


def test_replay_evaluation_that_is_not_scored_has_no_scores(tmp_path: Path) -> None:
    write_repository(tmp_path, "a")
    journal = begin(tmp_path, "a")
    record_training(tmp_path, journal.fingerprint, training(), [])
    record_evaluation(tmp_path, journal.fingerprint, {"split": None, "warnings": {"count": 1, "texts": ["x"]}}, [])
    (run,) = runs(local_client(tmp_path))
    assert not any(name.startswith("test/") for name in run.data.metrics)
    assert run.data.tags["clue_ner.warnings"] == "x"


def test_replay_push_makes_one_complete_run(tmp_path: Path) -> None:
    root = tmp_path / "a 仓库"  # spaces and Chinese in the path
    write_repository(root, "a")
    journal = begin(root, "a")
    for epoch in training()["epochs"]:
        assert record_epoch(root, journal.fingerprint, epoch)
    (run,) = runs(local_client(root))
    assert (run.info.status, run.info.end_time) == ("RUNNING", None)
    assert record_training(root, journal.fingerprint, training(), [])
    assert record_evaluation(root, journal.fingerprint, EVALUATION, [root / "plots" / "confusion.csv"])

    (run,) = runs(local_client(root))
    record = journal.read()
    assert record is not None
    assert (run.info.status, run.info.end_time) == ("FINISHED", record.end)
    assert run.info.start_time == record.begin["time"]
    assert run.info.run_name == "crf lr 2e-4 seed 0"
    assert run.data.params == record.begin["params"]
    assert record.begin["tags"].items() <= run.data.tags.items()
    assert points(local_client(root), run) == {
        "test/lenient_f1": [(0, 0.77)],
        "test/lenient_precision": [(0, 0.72)],
        "test/lenient_recall": [(0, 0.82)],
        "test/micro_f1": [(0, 0.75)],
        "test/micro_f1.address": [(0, 0.5)],
        "test/micro_f1.组织 _28_公司_29_": [(0, 0.9)],
        "test/micro_precision": [(0, 0.7)],
        "test/micro_recall": [(0, 0.8)],
        "test/official_macro_f1": [(0, 0.76)],
        "train/loss": [(1, 1.5), (2, 0.5)],
        "train/seconds": [(1, 3.0), (2, 3.0)],
        "valid/best_micro_f1": [(2, 0.6)],
        "valid/micro_f1": [(1, 0.3), (2, 0.6)],
    }
    history = local_client(root).get_metric_history(run.info.run_id, "train/loss")
    assert [(m.timestamp) for m in history] == [record.points["train/loss", step][1] for step in (1, 2)]
    (given,) = run.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("sample", fingerprint_of("corpus")[:36])
    assert [(tag.key, tag.value) for tag in given.tags] == [("mlflow.data.context", "training")]
    assert files_of(root, run) == [
        "environment.txt",
        "metrics/evaluate.json",
        "metrics/train.json",
        "params.yaml",
        "plots/confusion.csv",
    ]
    assert {path.name for path in root.iterdir() if path.name.startswith(("ml", ".ml"))} == {
        ".mlflow.lock",
        "mlartifacts",
        "mlflow.db",
    }


def test_replay_push_again_adds_nothing(tmp_path: Path) -> None:
    journal = begin(tmp_path, "a")
    record_training(tmp_path, journal.fingerprint, training(), [])
    record_evaluation(tmp_path, journal.fingerprint, EVALUATION, [])
    (run,) = runs(local_client(tmp_path))
    before = points(local_client(tmp_path), run), run.data.tags, run.info.end_time
    begin(tmp_path, "a")
    record_training(tmp_path, journal.fingerprint, training(), [])
    record_evaluation(tmp_path, journal.fingerprint, EVALUATION, [])
    assert push(tmp_path, journal.fingerprint)
    (run,) = runs(local_client(tmp_path))
    assert (points(local_client(tmp_path), run), run.data.tags, run.info.end_time) == before


def test_replay_other_scores_are_the_next_step(tmp_path: Path) -> None:
    journal = begin(tmp_path, "a")
    record_evaluation(tmp_path, journal.fingerprint, EVALUATION, [])
    record_evaluation(
        tmp_path, journal.fingerprint, EVALUATION | {"official": {"macro_f1": 0.5, "f1_ci95": [0.4, 0.6]}}, []
    )
    (run,) = runs(local_client(tmp_path))
    assert points(local_client(tmp_path), run)["test/official_macro_f1"] == [(0, 0.76), (1, 0.5)]


def test_replay_scores_of_an_earlier_release_with_all_their_digits_are_the_same_scores(tmp_path: Path) -> None:
    journal = begin(tmp_path, "a")
    exact = EVALUATION | {"micro": {**EVALUATION["micro"], "f1": 0.7512345678}}
    record_evaluation(tmp_path, journal.fingerprint, exact, [])
    journal.path.write_text(journal.path.read_text().replace("0.751235", "0.7512345678"))
    record_evaluation(tmp_path, journal.fingerprint, exact, [])
    record = journal.read()
    assert record is not None
    assert [step for name, step in record.points if name == "test/micro_f1"] == [0]


def test_replay_splits_that_were_scored_are_datasets_beside_the_corpus(tmp_path: Path) -> None:
    journal = begin(tmp_path, "a")
    scored = [EVALUATION | {"fingerprint": fingerprint_of(name)} for name in ("test", "test", "corrected")]
    for evaluation in [*scored, EVALUATION | {"split": "valid", "fingerprint": fingerprint_of("valid")}]:
        record_evaluation(tmp_path, journal.fingerprint, evaluation, [])
    (run,) = runs(local_client(tmp_path))
    found = {
        (i.dataset.name, i.dataset.digest, i.tags[0].value): json.loads(i.dataset.profile).get("sentences")
        for i in run.inputs.dataset_inputs
    }
    assert found == {
        ("sample", fingerprint_of("corpus")[:36], "training"): 9,
        ("sample-test", fingerprint_of("test")[:36], "evaluation"): 20,
        ("sample-test", fingerprint_of("corrected")[:36], "evaluation"): 20,
        ("sample-valid", fingerprint_of("valid")[:36], "evaluation"): 20,
    }
    assert points(local_client(tmp_path), run)["test/micro_f1"] == [(0, 0.75)]


def test_replay_no_tag_is_empty(tmp_path: Path) -> None:
    journal = begin(tmp_path, "a")
    record_training(tmp_path, journal.fingerprint, training(), [])
    record_evaluation(tmp_path, journal.fingerprint, EVALUATION, [])
    (run,) = runs(local_client(tmp_path))
    assert [name for name, value in run.data.tags.items() if not value] == []
    assert "clue_ner.experiment" not in run.data.tags


def test_replay_changed_artifact_is_uploaded_again(tmp_path: Path) -> None:
    journal = begin(tmp_path, "a")
    for text in ("old", "new"):
        journal.artifact("plots/loss.csv", text)
        assert push(tmp_path, journal.fingerprint)
    (run,) = runs(local_client(tmp_path))
    assert "plots/loss.csv" in files_of(tmp_path, run)
    (stored,) = (tmp_path / "mlartifacts").rglob("loss.csv")
    assert stored.read_text() == "new"


def test_replay_deleted_run_stays_deleted(tmp_path: Path) -> None:
    journal = begin(tmp_path, "a")
    push(tmp_path, journal.fingerprint)
    (run,) = runs(local_client(tmp_path))
    local_client(tmp_path).delete_run(run.info.run_id)
    assert push(tmp_path, journal.fingerprint)
    assert runs(local_client(tmp_path)) == []


def test_replay_failed_run_is_shown_as_failed_and_can_finish(tmp_path: Path) -> None:
    journal = begin(tmp_path, "a")
    for status in ("FAILED", "FINISHED"):
        journal.end(status)
        push(tmp_path, journal.fingerprint)
        (run,) = runs(local_client(tmp_path))
        assert run.info.status == status


@pytest.mark.parametrize("uri", ["http://ann:secret@127.0.0.1:{port}", "sqlite:////dev/null/mlflow.db"])
def test_replay_without_a_store_warns_once_and_keeps_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, uri: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri.format(port=free_port()))
    journal = begin(tmp_path, "a")
    with caplog.at_level(logging.WARNING, logger="clue_ner"):
        for epoch in training()["epochs"]:
            assert not record_epoch(tmp_path, journal.fingerprint, epoch)
    (warning,) = caplog.messages
    assert "MLflow at" in warning
    assert "clue-ner sync" in warning
    assert "secret" not in warning
    record = journal.read()
    assert record is not None
    assert ("train/loss", 2) in record.points


def test_replay_deleted_experiment_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = begin(tmp_path, "a")
    push(tmp_path, journal.fingerprint)
    (run,) = runs(local_client(tmp_path))
    local_client(tmp_path).delete_experiment(run.info.experiment_id)
    assert not push(tmp_path, journal.fingerprint, again=True)
    assert f"mlflow experiments restore -x {run.info.experiment_id}" in caplog.text


CHILDREN = """
import os, signal, sys
from pathlib import Path
from support.tracking_repository import begin, training
from clue_ner.tracking import record_epoch, record_training
from clue_ner.tracking.store import import_mlflow
import_mlflow()
from mlflow import MlflowClient
from mlflow.store.tracking import sqlalchemy_store  # before the forks, once

def train(root, name):
    journal = begin(root, name)
    done = [record_epoch(root, journal.fingerprint, epoch) for epoch in training()["epochs"]]
    return all([*done, record_training(root, journal.fingerprint, training(), [])])

def train_and_die_after(root, method):
    original = getattr(MlflowClient, method)
    def and_die(*arguments, **keywords):
        original(*arguments, **keywords)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(MlflowClient, method, and_die)
    record_training(root, begin(root, method).fingerprint, training(), [])

root, what, *names = sys.argv[1:]
for name in names:
    if os.fork() == 0:
        os._exit(0 if globals()[what](Path(root), name) else 1)
    if what == "train_and_die_after":
        assert os.wait()[1] == signal.SIGKILL, name
if what == "train":
    assert [os.wait()[1] for _ in names] == [0 for _ in names]
"""


def test_replay_three_processes_on_a_fresh_store_lose_nothing(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").unlink()
    assert python(CHILDREN, tmp_path, "train", "a", "b", "c").wait(200) == 0
    found = runs(local_client(tmp_path))
    assert {run.data.tags["clue_ner.fingerprint"] for run in found} == {fingerprint_of(name) for name in "abc"}
    assert len(found) == 3
    for run in found:
        assert points(local_client(tmp_path), run)["train/loss"] == [(1, 1.5), (2, 0.5)]


def test_replay_killed_after_any_request_adds_nothing_twice(tmp_path: Path) -> None:
    methods = ["create_run", "log_batch", "log_inputs", "log_artifact", "set_tag", "set_terminated"]
    assert python(CHILDREN, tmp_path, "train_and_die_after", *methods).wait(200) == 0
    for method in methods:
        assert push(tmp_path, fingerprint_of(method))
    found = runs(local_client(tmp_path))
    assert len(found) == len(methods)
    for run in found:
        assert run.info.status == "FINISHED"
        assert points(local_client(tmp_path), run)["train/loss"] == [(1, 1.5), (2, 0.5)]
        assert len(run.inputs.dataset_inputs) == 1
        assert files_of(tmp_path, run) == ["environment.txt", "metrics/train.json", "params.yaml"]


def test_replay_killed_while_writing_keeps_what_was_said(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from support.tracking_repository import begin
journal = begin(Path(sys.argv[1]), "a")
for step in range(1_000_000):
    journal.metrics(step, {"train/loss": 1.0 / (step + 1)})
    Path(sys.argv[1], "said").write_text(str(step))
"""
    child = python(code, tmp_path)
    said = tmp_path / "said"
    while not (said.exists() and int(said.read_text() or 0) > 20):
        assert child.poll() is None
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    record = Journal(tmp_path, fingerprint_of("a")).read()
    assert record is not None
    assert record.damaged == []
    assert len(record.points) >= 20
    assert push(tmp_path, fingerprint_of("a"))
    (run,) = runs(local_client(tmp_path))
    assert len(points(local_client(tmp_path), run)["train/loss"]) == len(record.points)


def test_replay_evaluation_without_a_journal_restores_the_training(tmp_path: Path) -> None:
    fingerprint = write_repository(tmp_path, "a")
    assert record_evaluation(tmp_path, fingerprint, EVALUATION, [])
    (run,) = runs(local_client(tmp_path))
    assert run.data.tags["clue_ner.restored"] == "true"
    assert run.data.metrics["train/loss"] == 0.5
    assert run.data.metrics["test/micro_f1"] == 0.75
    assert run.info.status == "FINISHED"


def test_replay_restored_training_joins_the_run_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    first, second = tmp_path / "first", tmp_path / "second"
    fingerprint = write_repository(first, "a")
    begin(first, "a")
    record_training(first, fingerprint, training(), [])
    write_repository(second, "a")
    assert record_evaluation(second, fingerprint, EVALUATION, [])
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    shared = local_client(tmp_path)
    (run,) = runs(shared)
    assert "clue_ner.restored" not in run.data.tags
    assert points(shared, run)["train/loss"] == [(1, 1.5), (2, 0.5)]
    assert points(shared, run)["test/micro_f1"] == [(0, 0.75)]


def test_replay_two_clones_training_the_same_have_a_run_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    for name in ("first", "second"):
        journal = begin(tmp_path / name, "a")
        assert record_training(tmp_path / name, journal.fingerprint, training(), [])
    found = runs(local_client(tmp_path))
    assert len(found) == 2
    assert {tuple(run.data.metrics.items()) for run in found} == {tuple(found[0].data.metrics.items())}


def test_replay_restore_refuses_metrics_of_another_training(tmp_path: Path) -> None:
    fingerprint = write_repository(tmp_path, "a", valid_f1=0.6)
    (tmp_path / "metrics" / "train.json").write_text('{"epochs": [], "best_epoch": 1, "valid_micro_f1": 0.7}')
    with pytest.raises(TrackingError, match=r"train\.json: valid F1 0\.7, but .* was trained to 0\.6"):
        restore(tmp_path, fingerprint)
    with pytest.raises(TrackingError, match=r"of training .* wanted"):
        restore(tmp_path, fingerprint_of("b"))
