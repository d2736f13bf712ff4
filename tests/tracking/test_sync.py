import shutil
from pathlib import Path

import pytest
from support.mlflow_servers import server
from support.tracking_repository import (
    EVALUATION,
    begin,
    client,
    fingerprint_of,
    free_port,
    local_client,
    own_store,  # noqa: F401
    points,
    ready_store,  # noqa: F401
    runs,
    tracking_params,
    training,
    write_repository,
)

from clue_ner.common.errors import TrackingError
from clue_ner.common.files import read_json
from clue_ner.tracking import (
    Journal,
    champion_path,
    record_epoch,
    record_evaluation,
    record_training,
    register,
    resolve_model,
    sync,
)
from clue_ner.tracking.model_registry import keep_for_later, kept_for_later


def test_sync_fresh_clone_restores_runs_from_artifacts(tmp_path: Path) -> None:
    fingerprint = write_repository(tmp_path, "a")
    summary = sync(tmp_path)
    assert (summary.runs, summary.restored, summary.problems) == ([fingerprint], [fingerprint], [])
    assert [(v.version, v.alias) for v in summary.versions] == [(1, "champion")]
    (run,) = runs(local_client(tmp_path))
    assert run.data.tags["clue_ner.restored"] == "true"
    assert run.data.params["train.lr"] == "0.0002"
    assert (run.data.metrics["valid/best_micro_f1"], run.data.metrics["test/micro_f1"]) == (0.6, 0.75)
    assert local_client(tmp_path).get_model_version("clue-ner", "1").run_id == run.info.run_id

    again = sync(tmp_path)
    assert (again.restored, again.versions) == ([], summary.versions)
    assert len(runs(local_client(tmp_path))) == 1


def test_sync_registers_what_was_kept_and_drops_the_copy(tmp_path: Path) -> None:
    write_repository(tmp_path, "a", 0.6)
    begin(tmp_path, "a")
    keep_for_later(tmp_path, tmp_path / "models" / "export", tracking_params())
    write_repository(tmp_path, "b", 0.7)
    begin(tmp_path, "b")
    summary = sync(tmp_path)
    assert {(v.version, v.alias) for v in summary.versions} == {(1, "champion"), (2, "champion")}
    assert kept_for_later(tmp_path) == []
    champion = champion_path(tmp_path, "clue-ner")
    assert champion is not None
    assert read_json(champion / "tagger.json")["trained"]["fingerprint"] == fingerprint_of("b")


def test_sync_goes_on_after_a_problem(tmp_path: Path) -> None:
    write_repository(tmp_path, "a")
    (tmp_path / "metrics" / "train.json").unlink()
    damaged, whole = begin(tmp_path, "b"), begin(tmp_path, "c")
    damaged.path.write_bytes(damaged.path.read_bytes() + b"?\n")
    shutil.rmtree(whole.files)
    summary = sync(tmp_path)
    assert summary.runs == [fingerprint_of("b")]
    problems = "\n".join(sorted(summary.problems))
    assert len(summary.problems) == 3
    assert f"{tmp_path / 'metrics' / 'train.json'}: no such file" in problems
    assert f"{damaged.path}: damaged lines, passed over: [4]" in problems
    assert f"run crf-{whole.fingerprint[:8]}: FileNotFoundError" in problems
    assert [v.version for v in summary.versions] == [1]


def test_sync_server_killed_in_the_middle_misses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, port = tmp_path / "repository", free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    write_repository(root, "a")
    journal = begin(root, "a")
    first, second = training()["epochs"]
    with server(tmp_path, port):
        assert record_epoch(root, journal.fingerprint, first)
        with pytest.raises(TrackingError, match="no registered model"):
            resolve_model(root, "models:/clue-ner@champion")
    assert not record_epoch(root, journal.fingerprint, second)
    assert not record_training(root, journal.fingerprint, training(), [])
    assert not record_evaluation(root, journal.fingerprint, EVALUATION, [root / "plots" / "confusion.csv"])
    assert register(root, root / "models" / "export", tracking_params()) is None
    with pytest.raises(TrackingError, match=f"MLflow at http://127.0.0.1:{port}"):
        sync(root)

    with server(tmp_path, port):
        for _ in range(2):
            summary = sync(root)
            assert (summary.runs, summary.problems) == ([journal.fingerprint], [])
            assert [(v.version, v.alias) for v in summary.versions] == [(1, "champion")]
        mlflow_client = client(f"http://127.0.0.1:{port}")
        (run,) = runs(mlflow_client)
        record = Journal(root, journal.fingerprint).read()
        assert record is not None
        found = {
            (key, m.step): (m.value, m.timestamp)
            for key in run.data.metrics
            for m in mlflow_client.get_metric_history(run.info.run_id, key)
        }
        assert found == record.points
        assert sum(map(len, points(mlflow_client, run).values())) == len(record.points)
        assert (run.info.status, run.info.end_time) == ("FINISHED", record.end)
        assert len(mlflow_client.list_artifacts(run.info.run_id)) == 4
        champion = champion_path(root, "clue-ner")
        assert champion is not None
        assert root in champion.parents
        assert read_json(champion / "tagger.json")["trained"]["fingerprint"] == journal.fingerprint
        assert champion_path(root, "clue-ner") == champion
