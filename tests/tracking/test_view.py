"""The view that MLflow's UI opens: what is in it, when it is written, where it is."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.tracking_repository import (
    EVALUATION,
    begin,
    local_client,
    own_store,  # noqa: F401
    ready_store,  # noqa: F401
    training,
)

from clue_ner.tracking import push, record_evaluation, record_training, view
from clue_ner.tracking.store import connect

KEY = "k"


def views(root: Path, name: str = "clue-ner") -> dict[str, Any]:
    """Key to content of each of our views in an experiment."""
    tags = local_client(root).get_experiment_by_name(name).tags
    return {key: json.loads(value) for key, value in tags.items() if key.startswith("mlflow.sharedViewState.")}


def test_view_is_written_with_the_first_run_and_once(tmp_path: Path) -> None:
    record_training(tmp_path, begin(tmp_path, "a").fingerprint, training(), [])
    first = views(tmp_path)
    record_training(tmp_path, begin(tmp_path, "b").fingerprint, training(), [])
    assert views(tmp_path) == first
    ((key, kept),) = first.items()
    content = json.loads(kept["state"])
    assert kept["name"] == "clue-ner: sample"
    assert isinstance(kept["createdAt"], int)
    assert key == view.TAG + view.key_of(content)
    assert (content["orderByKey"], content["orderByAsc"]) == ("metrics.`valid/best_micro_f1`", False)
    wanted = ["params.`train.head`", "params.`seed`", "metrics.`test/micro_f1`", "tags.`clue_ner.warnings`"]
    assert set(wanted) < set(content["selectedColumns"])


def test_view_names_what_a_run_really_has(tmp_path: Path) -> None:
    journal = begin(tmp_path, "a")
    record_training(tmp_path, journal.fingerprint, training(), [])
    record_evaluation(tmp_path, journal.fingerprint, EVALUATION | {"warnings": {"count": 1, "texts": ["w"]}}, [])
    client = local_client(tmp_path)
    run = client.search_runs([client.get_experiment_by_name("clue-ner").experiment_id])[0]
    there = {f"metrics.`{name}`" for name in run.data.metrics} | {f"tags.`{name}`" for name in run.data.tags}
    sparse = {"params.`train.epochs`"}  # the params of these tests are not whole
    columns = set(view.COLUMNS) - {"attributes.`Duration`"} - sparse
    assert columns - {f"params.`{name}`" for name in run.data.params} <= there
    content = view.state(view.metric_name(type_) for type_ in EVALUATION["micro"]["per_type"])
    keys = {chart["metricKey"] for chart in content["compareRunCharts"] if "metricKey" in chart}
    assert keys <= set(run.data.metrics)


@pytest.mark.parametrize("types", [["name"], ["name", "组织 (公司)"], []])
def test_view_has_a_chart_for_each_type_and_a_key_of_its_own(tmp_path: Path, types: list[str]) -> None:
    journal = begin(tmp_path, "a")
    lines = journal.path.read_text().replace('"sentences": 9', f'"types": {json.dumps(types)}')
    journal.path.write_text(lines)
    push(tmp_path, journal.fingerprint)
    ((key, kept),) = views(tmp_path).items()
    content = json.loads(kept["state"])
    bars = [chart["metricKey"] for chart in content["compareRunCharts"] if chart["type"] == "BAR"]
    assert bars == [view.metric_name(type_) for type_ in types]
    assert key.removeprefix(view.TAG) == view.key_of(view.state(map(view.metric_name, types)))
    assert len({view.key_of(view.state(names)) for names in (["a"], ["b"], ["a", "b"], [])}) == 4


def test_view_that_changes_leaves_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push(tmp_path, begin(tmp_path, "a").fingerprint)
    (old,) = views(tmp_path)
    monkeypatch.setattr(view, "COLUMNS", {"params.`seed`": 60})
    push(tmp_path, begin(tmp_path, "b").fingerprint)
    (new,) = views(tmp_path).keys() - {old}
    tags = local_client(tmp_path).get_experiment_by_name("clue-ner").tags
    assert view.newest(tags) == new.removeprefix(view.TAG)
    assert view.newest(tags | {view.TAG + view.KEY + "x": "?", view.TAG + "mine": tags[old]}) == view.newest(tags)
    assert view.newest({}) is None


def test_view_of_more_types_than_a_tag_can_hold_leaves_their_charts_out(tmp_path: Path) -> None:
    store = connect(tmp_path)
    experiment = store.client.create_experiment("large")
    key = view.keep(store, experiment, [view.metric_name(f"type {n}") for n in range(500)], "own")
    assert key == view.key_of(view.state([]))


def test_view_where_the_experiment_cannot_be_written(tmp_path: Path) -> None:
    assert view.keep(connect(tmp_path), "77", [], "sample") is None


@pytest.mark.parametrize(
    ("server", "page"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("https://ann:secret@mlflow.example/team/", "https://mlflow.example/team"),
        ("http://[::1]:5000/", "http://[::1]:5000"),
    ],
)
def test_view_address_has_no_password_and_works_without_a_view(server: str, page: str) -> None:
    plain = f"{page}/#/experiments/3/runs?workflowType=machine_learning"
    assert view.address(server, "3", None) == plain
    assert view.address(server, "3", KEY) == f"{plain}&viewStateShareKey={KEY}"
