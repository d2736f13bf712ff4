import shutil
from collections.abc import Callable
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
    write_graph_files,
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

PARENT = "mlflow.parentRunId"


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


def test_sync_registers_every_set_of_formats_that_was_kept(tmp_path: Path) -> None:
    write_repository(tmp_path, "a")
    begin(tmp_path, "a")
    export = tmp_path / "models" / "export"
    keep_for_later(tmp_path, export, tracking_params())
    for onnx in (True, False, False):
        write_graph_files(tmp_path, onnx)
        keep_for_later(tmp_path, export, tracking_params())
    assert len(kept_for_later(tmp_path)) == 3
    for _ in range(2):
        summary = sync(tmp_path)
        assert summary.problems == []
    found = local_client(tmp_path).search_model_versions("name = 'clue-ner'")
    made = {"torch", "torch, int8", "torch, int8, onnx"}
    assert sorted(version.tags["clue_ner.formats"] for version in found) == sorted(made)


def test_sync_drops_every_set_of_formats_of_a_training(tmp_path: Path) -> None:
    write_repository(tmp_path, "a")
    export = tmp_path / "models" / "export"
    keep_for_later(tmp_path, export, tracking_params("a.b"))
    write_graph_files(tmp_path)
    keep_for_later(tmp_path, export, tracking_params("a.b"))
    shutil.rmtree(export)
    shutil.rmtree(tmp_path / "models" / "tagger")
    (problem, _) = sync(tmp_path).problems
    assert f"`clue-ner sync --drop {fingerprint_of('a')[:12]}`" in problem
    summary = sync(tmp_path, [fingerprint_of("a")[:12]])
    assert (summary.problems, len(summary.dropped), kept_for_later(tmp_path)) == ([], 2, [])


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
    assert f"{damaged.path}: damaged lines, skipped: [4]" in problems
    assert "run crf lr 2e-4 seed 0: FileNotFoundError" in problems
    for journal in (damaged, whole):
        assert f"`clue-ner sync --drop {journal.fingerprint[:12]}` sets it aside" in problems
    assert [v.version for v in summary.versions] == [1]


def lack_a_key(root: Path) -> str:
    journal = begin(root, "b")
    journal.path.write_text(journal.path.read_text().replace('"experiment": ', '"experience": '))
    return journal.fingerprint


def nest_without_end(root: Path) -> str:
    journal = begin(root, "b")
    journal.path.write_bytes(b'{"kind":' + b"[" * 100_000 + b"\n")
    return journal.fingerprint


def lead_nowhere(root: Path) -> str:
    journal = begin(root, "b")
    journal.path.unlink()
    journal.path.symlink_to("nowhere")
    return journal.fingerprint


def make_a_folder(root: Path) -> str:
    (root / ".tracking" / f"{fingerprint_of('b')}.jsonl").mkdir(parents=True)
    return fingerprint_of("b")


def delete_experiment(root: Path) -> str:
    mlflow_client = local_client(root)
    mlflow_client.delete_experiment(mlflow_client.create_experiment("gone"))
    journal = begin(root, "b")
    journal.path.write_text(journal.path.read_text().replace('"experiment": "clue-ner"', '"experiment": "gone"'))
    return journal.fingerprint


def lose_the_files(root: Path) -> str:
    journal = begin(root, "b")
    shutil.rmtree(journal.files)
    return journal.fingerprint


def keep(root: Path, name: str = "clue-ner") -> Path:
    write_repository(root / "elsewhere", "b")
    keep_for_later(root, root / "elsewhere" / "models" / "export", tracking_params(name))
    (folder,) = kept_for_later(root)
    return folder


def keep_under_a_name_that_mlflow_refuses(root: Path) -> str:
    return keep(root, "a.b").name


def keep_damaged_weights(root: Path) -> str:
    folder = keep(root)
    (folder / "tagger" / "model.safetensors").write_bytes(b"?")
    return folder.name


def keep_damaged_settings(root: Path) -> str:
    folder = keep(root)
    (folder / "tracking.json").write_text("{")
    return folder.name


def keep_settings_of_another_kind(root: Path) -> str:
    folder = keep(root)
    (folder / "tracking.json").write_text('{"model": 3}')
    return folder.name


def keep_nothing(root: Path) -> str:
    shutil.rmtree(keep(root))
    (root / ".tracking" / "unregistered" / "half").mkdir()
    return "half"


@pytest.mark.parametrize(
    "spoil",
    [
        lack_a_key,
        nest_without_end,
        lead_nowhere,
        make_a_folder,
        delete_experiment,
        lose_the_files,
        keep_under_a_name_that_mlflow_refuses,
        keep_damaged_weights,
        keep_damaged_settings,
        keep_settings_of_another_kind,
        keep_nothing,
    ],
)
def test_sync_what_can_never_go_blocks_nothing_and_can_be_dropped(tmp_path: Path, spoil: Callable[[Path], str]) -> None:
    write_repository(tmp_path, "a")
    begin(tmp_path, "a")
    begin(tmp_path, "c")
    name = spoil(tmp_path)
    summary = sync(tmp_path)
    assert set(summary.runs) == {fingerprint_of("a"), fingerprint_of("c")}
    assert [version.name for version in summary.versions] == ["clue-ner"]
    (problem,) = summary.problems
    assert problem.endswith(f"`clue-ner sync --drop {name[:12]}` sets it aside")
    assert "\n" not in problem

    dropped = sync(tmp_path, [name[:6]])
    assert dropped.problems == []
    (line,) = dropped.dropped
    place = Path(line.partition(": ")[0])
    assert place == tmp_path / ".tracking" / "dropped" / f"{name}-1"
    assert list(place.iterdir())
    again = sync(tmp_path)
    assert (again.problems, again.dropped, again.versions) == ([], [], summary.versions)


def test_sync_drop_moves_only_what_fails_of_a_training(tmp_path: Path) -> None:
    write_repository(tmp_path, "a")
    journal = begin(tmp_path, "a")
    keep_for_later(tmp_path, tmp_path / "models" / "export", tracking_params("a.b"))
    summary = sync(tmp_path, [journal.fingerprint])
    assert (summary.runs, summary.problems, len(summary.dropped)) == ([journal.fingerprint], [], 1)
    assert (kept_for_later(tmp_path), journal.path.exists()) == ([], True)


def test_sync_does_not_restore_what_was_dropped(tmp_path: Path) -> None:
    write_repository(tmp_path, "a")
    journal = begin(tmp_path, "a")
    shutil.rmtree(journal.files)
    for _ in range(2):
        summary = sync(tmp_path, [journal.fingerprint] if journal.path.exists() else [])
        assert (summary.runs, summary.restored, summary.problems) == ([], [], [])
    assert not journal.path.exists()


@pytest.mark.parametrize("beginning", ["", "nothing", "of"])
def test_sync_drop_names_one_training(tmp_path: Path, beginning: str) -> None:
    for name in ("of-this", "of-that"):
        (tmp_path / ".tracking" / "unregistered" / name).mkdir(parents=True)
    with pytest.raises(
        TrackingError, match=f"^{beginning!r}: wanted the beginning of one training .*: of-that, of-this$"
    ):
        sync(tmp_path, [beginning])
    assert len(kept_for_later(tmp_path)) == 2


def test_sync_names_a_run_that_was_deleted(tmp_path: Path) -> None:
    journal = begin(tmp_path, "a")
    sync(tmp_path)
    (run,) = runs(local_client(tmp_path))
    local_client(tmp_path).delete_run(run.info.run_id)
    summary = sync(tmp_path)
    assert (summary.runs, summary.deleted, summary.problems) == ([], [journal.fingerprint], [])


def test_sync_a_child_that_fails_leaves_its_parent_alone(tmp_path: Path) -> None:
    parent = begin(tmp_path, "parent")
    for child in (lose_the_files(tmp_path), begin(tmp_path, "c").fingerprint):
        parent.child(child)
    summary = sync(tmp_path)
    assert set(summary.runs) == {parent.fingerprint, fingerprint_of("c")}
    (problem,) = summary.problems
    assert fingerprint_of("b")[:12] in problem
    below = [run.data.tags["clue_ner.fingerprint"] for run in runs(local_client(tmp_path)) if PARENT in run.data.tags]
    assert below == [fingerprint_of("c")]


def test_sync_server_killed_in_the_middle_misses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, port = tmp_path / "repository", free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    write_repository(root, "a")
    write_graph_files(root)
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
        fetched = resolve_model(root, f"runs:/{run.info.run_id}/model")
        assert read_json(fetched / "tagger.json")["trained"]["fingerprint"] == journal.fingerprint
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
        folder = champion.parent
        assert sorted(path.name for path in (folder / "onnx").iterdir()) == ["checksums.json", "model.int8.onnx"]
        for path in [*champion.iterdir()]:  # an earlier release kept the tagger's files there
            path.rename(folder / path.name)
        champion.rmdir()
        assert champion_path(root, "clue-ner") == folder
