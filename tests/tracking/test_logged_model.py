"""What the Models tab shows of a version and ranks it by."""

from pathlib import Path
from typing import Any

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
    ready_store,  # noqa: F401
    runs,
    tracking_params,
    training,
    write_graph_files,
    write_repository,
)

from clue_ner.common.errors import TrackingError
from clue_ner.tracking import log_evaluation, push, record_evaluation, record_training, register, sync

SCORED = EVALUATION | {"fingerprint": fingerprint_of("test"), "device": "cuda:0, NVIDIA H100"}
CORPUS, TEST = ("sample", fingerprint_of("corpus")[:36]), ("sample-test", fingerprint_of("test")[:36])


def trained(root: Path, name: str, valid_f1: float = 0.6) -> str:
    """A training that was scored and registered."""
    fingerprint = write_repository(root, name, valid_f1)
    begin(root, name)
    record_training(root, fingerprint, training(valid_f1), [])
    record_evaluation(root, fingerprint, SCORED, [])
    register(root, root / "models" / "export", tracking_params())
    return fingerprint


def models(mlflow_client: Any, **order: Any) -> list[Any]:
    experiment = mlflow_client.get_experiment_by_name("clue-ner").experiment_id
    return list(mlflow_client.search_logged_models([experiment], order_by=[order] if order else None))


def scores(model: Any) -> dict[tuple[str, int], tuple[float, tuple[str, str]]]:
    """(metric, step) to its value and dataset."""
    found = {(m.key, m.step): (m.value, (m.dataset_name, m.dataset_digest)) for m in model.metrics or []}
    assert len(found) == len(model.metrics or [])
    return found


def test_logged_model_has_the_params_and_the_scores_on_their_datasets(tmp_path: Path) -> None:
    trained(tmp_path, "a")
    (model,) = models(local_client(tmp_path))
    (run,) = runs(local_client(tmp_path))
    assert model.params == run.data.params
    assert scores(model) == {
        ("valid/best_micro_f1", 2): (0.6, CORPUS),
        ("test/micro_f1", 0): (0.75, TEST),
        ("test/micro_precision", 0): (0.7, TEST),
        ("test/micro_recall", 0): (0.8, TEST),
        ("test/lenient_f1", 0): (0.77, TEST),
        ("test/lenient_precision", 0): (0.72, TEST),
        ("test/lenient_recall", 0): (0.82, TEST),
        ("test/official_macro_f1", 0): (0.76, TEST),
        ("test/micro_f1.address", 0): (0.5, TEST),
        ("test/micro_f1.组织 _28_公司_29_", 0): (0.9, TEST),
    }


def test_logged_model_ranks_by_its_scores(tmp_path: Path) -> None:
    for name, valid_f1 in (("a", 0.6), ("b", 0.9), ("c", 0.7)):
        trained(tmp_path, name, valid_f1)
    found = models(local_client(tmp_path), field_name="metrics.valid/best_micro_f1", ascending=False)
    assert [model.tags["clue_ner.fingerprint"] for model in found] == [fingerprint_of(name) for name in "bca"]
    on_another = {"dataset_name": "other", "dataset_digest": "1"}
    assert len(models(local_client(tmp_path), field_name="metrics.test/micro_f1", ascending=False, **on_another)) == 3


def test_logged_model_again_adds_nothing_and_other_scores_are_the_next_step(tmp_path: Path) -> None:
    fingerprint = trained(tmp_path, "a")
    (model,) = models(local_client(tmp_path))
    before = scores(model)
    sync(tmp_path)
    register(tmp_path, tmp_path / "models" / "export", tracking_params())
    record_evaluation(tmp_path, fingerprint, SCORED, [])
    (model,) = models(local_client(tmp_path))
    assert scores(model) == before
    (run,) = runs(local_client(tmp_path))
    history = local_client(tmp_path).get_metric_history(run.info.run_id, "test/micro_f1")
    assert [(point.step, point.value) for point in history] == [(0, 0.75)]

    other = {"micro": {**EVALUATION["micro"], "f1": 0.5}, "fingerprint": fingerprint_of("corrected test")}
    record_evaluation(tmp_path, fingerprint, SCORED | other, [])
    (model,) = models(local_client(tmp_path))
    corrected = ("sample-test", fingerprint_of("corrected test")[:36])
    assert scores(model).items() > before.items()
    assert scores(model)["test/micro_f1", 1] == (0.5, corrected)
    assert len(scores(model)) == len(before) + 9


def test_logged_model_that_comes_late_has_each_score_on_its_own_dataset(tmp_path: Path) -> None:
    fingerprint = write_repository(tmp_path, "a")
    begin(tmp_path, "a")
    for name, f1 in (("test", 0.75), ("corrected", 0.8)):
        evaluation = {"micro": {**EVALUATION["micro"], "f1": f1}, "fingerprint": fingerprint_of(name)}
        record_evaluation(tmp_path, fingerprint, SCORED | evaluation, [])
    record_training(tmp_path, fingerprint, training(), [])
    register(tmp_path, tmp_path / "models" / "export", tracking_params())
    (model,) = models(local_client(tmp_path))
    assert scores(model)["test/micro_f1", 0] == (0.75, TEST)
    assert scores(model)["test/micro_f1", 1] == (0.8, ("sample-test", fingerprint_of("corrected")[:36]))


def test_logged_model_of_an_earlier_release_gets_them_by_sync(tmp_path: Path) -> None:
    write_repository(tmp_path, "a")
    journal = begin(tmp_path, "a")
    record_training(tmp_path, journal.fingerprint, training(), [])
    record_evaluation(tmp_path, journal.fingerprint, EVALUATION, [])  # which named no dataset
    register(tmp_path, tmp_path / "models" / "export", tracking_params())
    (model,) = models(local_client(tmp_path))
    assert scores(model)["test/micro_f1", 0] == (0.75, (None, None))
    assert scores(model)["valid/best_micro_f1", 2] == (0.6, CORPUS)


def test_logged_model_of_a_deleted_run_is_left_alone(tmp_path: Path) -> None:
    fingerprint = trained(tmp_path, "a")
    (run,) = runs(local_client(tmp_path))
    local_client(tmp_path).delete_run(run.info.run_id)
    record_evaluation(tmp_path, fingerprint, SCORED | {"official": {"macro_f1": 0.1, "f1_ci95": [0, 1]}}, [])
    (model,) = models(local_client(tmp_path))
    assert ("test/micro_f1", 1) not in scores(model)


def test_logged_model_of_somebody_else_in_the_run_is_left_alone(tmp_path: Path) -> None:
    from mlflow.entities import LoggedModelOutput

    fingerprint = trained(tmp_path, "a")
    (run,) = runs(local_client(tmp_path))
    mlflow_client = local_client(tmp_path)
    other = mlflow_client.create_logged_model(run.info.experiment_id, "mine", run.info.run_id)
    mlflow_client.log_outputs(run.info.run_id, [LoggedModelOutput(other.model_id, step=0)])
    assert push(tmp_path, fingerprint)
    assert not mlflow_client.get_logged_model(other.model_id).metrics


def test_logged_model_on_a_server(tmp_path: Path, monkeypatch: Any) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with server(tmp_path, port):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        fingerprint = trained(tmp_path / "clone", "a")
        for _ in range(2):
            (model,) = models(client(address), field_name="metrics.test/micro_f1", ascending=False)
            assert scores(model)["test/micro_f1", 0] == (0.75, TEST)
            assert model.params["train.head"] == "crf"
            assert push(tmp_path / "clone", fingerprint)


def test_logged_model_gets_scores_on_another_dataset(tmp_path: Path) -> None:
    fingerprint = trained(tmp_path, "a")
    (model,) = models(local_client(tmp_path))
    before = scores(model)
    for _ in range(2):  # the same again adds nothing
        assert log_evaluation(tmp_path, fingerprint, "news", SCORED) == f"models:/{model.model_id} ({model.name})"
    (model,) = models(local_client(tmp_path))
    news = ("news", fingerprint_of("test")[:36])
    added = {key: value for key, value in scores(model).items() if key not in before}
    assert len(added) == 9
    assert model.tags["clue_ner.eval_device"] == "cuda:0, NVIDIA H100"
    assert added["eval/micro_f1", 0] == (0.75, news)
    assert added["eval/official_macro_f1", 0] == (0.76, news)
    assert added["eval/micro_f1.address", 0] == (0.5, news)
    (run,) = runs(local_client(tmp_path))
    assert run.data.metrics["test/micro_f1"] == run.data.metrics["eval/micro_f1"] == 0.75


def test_logged_model_gets_the_device_of_scores_that_are_there(tmp_path: Path) -> None:
    """As after a kill between the two requests."""
    fingerprint = trained(tmp_path, "a")
    log_evaluation(tmp_path, fingerprint, "news", SCORED)
    (model,) = models(local_client(tmp_path))
    local_client(tmp_path).delete_logged_model_tag(model.model_id, "clue_ner.eval_device")
    log_evaluation(tmp_path, fingerprint, "news", SCORED)
    (model,) = models(local_client(tmp_path))
    assert model.tags["clue_ner.eval_device"] == "cuda:0, NVIDIA H100"
    assert {step for name, step in scores(model) if name.startswith("eval/")} == {0}


def test_logged_model_has_scores_on_several_datasets_as_steps(tmp_path: Path) -> None:
    fingerprint = trained(tmp_path, "a")
    other = {"micro": {**EVALUATION["micro"], "f1": 0.5}, "fingerprint": fingerprint_of("other")}
    log_evaluation(tmp_path, fingerprint, "news", SCORED)
    log_evaluation(tmp_path, fingerprint, "blogs", SCORED | other)
    log_evaluation(tmp_path, fingerprint, "news", SCORED)
    (model,) = models(local_client(tmp_path))
    found = {key: value for key, value in scores(model).items() if key[0] == "eval/micro_f1"}
    assert found == {
        ("eval/micro_f1", 0): (0.75, ("news", fingerprint_of("test")[:36])),
        ("eval/micro_f1", 1): (0.5, ("blogs", fingerprint_of("other")[:36])),
    }
    sync(tmp_path)
    record_evaluation(tmp_path, fingerprint, SCORED, [])
    (model,) = models(local_client(tmp_path))
    assert {key: value for key, value in scores(model).items() if key[0] == "eval/micro_f1"} == found


def test_logged_model_of_each_set_of_formats_gets_the_scores(tmp_path: Path) -> None:
    fingerprint = trained(tmp_path, "a")
    write_graph_files(tmp_path)
    register(tmp_path, tmp_path / "models" / "export", tracking_params())
    before = models(local_client(tmp_path))
    assert len(before) == 2
    for _ in range(2):
        named = log_evaluation(tmp_path, fingerprint, "news", SCORED)
        assert sorted(named.split(", ")) == sorted(f"models:/{model.model_id} ({model.name})" for model in before)
    for model in models(local_client(tmp_path)):
        found = [(metric.key, metric.step, metric.value) for metric in model.metrics if metric.key == "eval/micro_f1"]
        assert found == [("eval/micro_f1", 0, 0.75)]


def test_logged_model_that_is_not_there_takes_no_scores(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="takes no scores, it has no such model; register it with `clue-ner sync`"):
        log_evaluation(tmp_path, fingerprint_of("nobody"), "news", SCORED)
    fingerprint = trained(tmp_path, "a")
    (run,) = runs(local_client(tmp_path))
    local_client(tmp_path).delete_run(run.info.run_id)
    with pytest.raises(TrackingError, match="takes no scores, its run is deleted"):
        log_evaluation(tmp_path, fingerprint, "news", SCORED)
