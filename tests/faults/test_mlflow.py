"""MLflow's server down, stopped, slow, broken or late: after ``sync``, everything is there, once."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.clones import make_clone
from support.mlflow_servers import proxied, server
from support.tracking_repository import (
    EVALUATION,
    begin,
    client,
    free_port,
    own_store,  # noqa: F401
    points,
    runs,
    tracking_params,
    training,
    write_repository,
)

from clue_ner.tracking import Journal, push, record_epoch, record_evaluation, record_training, register, sync
from clue_ner.tracking.replay import _resting as resting

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]
FILES = ["environment.txt", "metrics", "params.yaml", "plots"]


@pytest.fixture(autouse=True)
def no_rest_yet() -> None:
    """A store that failed in another test is none of this one's."""
    resting.clear()


def steps_of(root: Path) -> list[Callable[[], object]]:
    """What the stages of one training record, in order."""
    fingerprint = write_repository(root, "a")
    first, second = training()["epochs"]
    return [
        lambda: push(root, begin(root, "a").fingerprint),
        lambda: record_epoch(root, fingerprint, first),
        lambda: record_epoch(root, fingerprint, second),
        lambda: record_training(root, fingerprint, training(), []),
        lambda: record_evaluation(root, fingerprint, EVALUATION, [root / "plots" / "confusion.csv"]),
        lambda: register(root, root / "models" / "export", tracking_params()),
    ]


def assert_all_there_once(root: Path, uri: str) -> None:
    """One run with every point at its own time, every file, and one version that belongs to it."""
    mlflow_client = client(uri)
    (run,) = runs(mlflow_client)
    record = Journal(root, run.data.tags["clue_ner.fingerprint"]).read()
    assert record is not None
    found = [
        (key, m.step, m.value, m.timestamp)
        for key in points(mlflow_client, run)
        for m in mlflow_client.get_metric_history(run.info.run_id, key)
    ]
    assert sorted(found) == sorted((key, step, *value) for (key, step), value in record.points.items())
    assert run.data.params == record.begin["params"]
    assert (run.info.status, run.info.end_time) == ("FINISHED", record.end)
    assert run.info.start_time == record.begin["time"]
    assert len(run.inputs.dataset_inputs) == 1
    assert sorted(file.path for file in mlflow_client.list_artifacts(run.info.run_id)) == FILES
    (version,) = mlflow_client.search_model_versions("name='clue-ner'")
    assert version.run_id == run.info.run_id
    assert mlflow_client.get_registered_model("clue-ner").aliases == {"champion": version.version}


@contextlib.contextmanager
def serving(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Any]]:
    """A server behind a proxy, which the tracking store's address names."""
    port = free_port()
    with server(folder, port), proxied(f"http://127.0.0.1:{port}") as (url, proxy):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        yield url, proxy


@pytest.mark.parametrize(
    ("name", "up"),
    [
        ("down at the start", [False, False, True, True, True, True]),
        ("stopped in the middle", [True, True, False, False, True, True]),
        ("gone at the end", [True, True, True, True, False, False]),
        ("never there", [False] * 6),
    ],
)
def test_mlflow_server_that_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Any, name: str, up: list[bool]
) -> None:
    fault(f"MLflow {name}")
    root, port = tmp_path / "repository", free_port()
    uri = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with contextlib.ExitStack() as stack:
        running = False
        for step, wanted in zip(steps_of(root), up, strict=True):
            if wanted and not running:
                stack.enter_context(server(tmp_path, port))
            if running and not wanted:
                stack.close()  # SIGKILL
            running = wanted
            step()
    with server(tmp_path, port):
        for _ in range(2):
            assert sync(root).problems == []
        assert_all_there_once(root, uri)


@pytest.mark.parametrize("mode", ["broken", "slow", "held"])
def test_mlflow_server_that_does_not_answer_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Any, mode: str
) -> None:
    names = {"broken": "answers 500", "slow": "answers after 10 s", "held": "acts on requests 10 s later"}
    fault(f"MLflow {names[mode]}")
    root = tmp_path / "repository"
    with serving(tmp_path, monkeypatch) as (uri, proxy):
        proxy.mode = mode
        for step in steps_of(root):
            step()
        assert len(proxy.asked) <= 12, "a training does not wait again and again for a server that does not answer"
        proxy.mode = "open"
        if mode == "held":
            assert sync(root).problems == []  # while requests are still on their way
        proxy.wait()
        assert sync(root).problems == []
        assert_all_there_once(root, uri)


def test_mlflow_four_experiments_at_once_on_a_fresh_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Any
) -> None:
    fault("four experiments at once, a fresh store")
    fault("four queue workers, one device")
    clone = make_clone(tmp_path / "clone", train={"epochs": 1}, export={"onnx": False})
    clone.run("dvc", "repro", "tokenize_align")
    clone.run("git", "add", "dvc.lock", "metrics")
    clone.commit("data")
    rates = ["0.001", "0.002", "0.003", "0.004"]
    clone.run("dvc", "exp", "run", "--queue", "-S", f"train.lr={','.join(rates)}")
    clone.run("dvc", "queue", "start", "-j", "4")
    until = time.monotonic() + 500
    while time.monotonic() < until:
        said = clone.run("dvc", "queue", "status")
        if not any(word in said for word in ("Running", "Queued")):
            break
        time.sleep(3)
    assert said.count("Success") == 4, said + "".join(
        clone.run("dvc", "queue", "logs", line.split()[0]) for line in said.splitlines() if "Failed" in line
    )
    found = clone.runs()
    assert sorted(run.data.params["train.lr"] for run in found) == rates
    assert {run.info.status for run in found} == {"FINISHED"}
    assert len(clone.client().search_model_versions("name='clue-ner'")) == 4
    for run in found:
        assert len(clone.client().get_metric_history(run.info.run_id, "train/loss")) == 1
        assert len(clone.client().get_metric_history(run.info.run_id, "test/micro_f1")) == 1
    losses = {run.info.run_id: clone.client().get_metric_history(run.info.run_id, "train/loss") for run in found}
    turns = sorted((run.info.start_time, losses[run.info.run_id][-1].timestamp) for run in found)
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(turns)), "trainings took turns"
    assert not any(clone.path.glob(".checkpoints/*/"))
