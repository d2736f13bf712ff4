import json
import math
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.light import BLOCK
from support.served_version import register_export, scoring_server
from support.tracking_repository import leave_stores_alone, local_client

from clue_ner.common.errors import ArtifactError, DeviceError
from clue_ner.tagger.tagger import Tagger
from clue_ner.tracking.store import connect

TEXT = "昨天😀去了上海招商银行。"
CHAMPION = "models:/clue-ner@champion"
ENTITIES = [(2, 3, "name", "😀"), (5, 7, "address", "上海"), (7, 11, "company", "招商银行")]


def spans(record: dict[str, Any]) -> list[tuple[int, int, str, str]]:
    return [(e["start"], e["end"], e["type"], e["text"]) for e in record["entities"]]


def test_served_model_gives_a_record_for_each_text(served_model: Any) -> None:
    texts = [TEXT, "", "在\0", "\ud800", "一 人", TEXT * 9]
    records = served_model.predict(texts)
    assert [record["text"] for record in records] == texts
    assert spans(records[0]) == ENTITIES
    assert all(0 < entity["score"] <= 1 for entity in records[0]["entities"])
    assert [len(record["entities"]) for record in records] == [3, 0, 0, 0, 0, 27]
    assert served_model.predict([]) == []
    assert json.loads(json.dumps(records)) == records


def test_served_model_takes_a_data_frame_and_gives_json(served_model: Any) -> None:
    import pandas

    frame = pandas.DataFrame({"text": [TEXT, "在"]})
    given = served_model.predict(frame, params={"output": "json"})
    assert [spans(json.loads(record)) for record in given] == [ENTITIES, []]


@pytest.mark.parametrize("data", ["在", [1], [None], [["在"]], {"a": 1}])
def test_served_model_refuses_what_is_no_list_of_texts(served_model: Any, data: Any) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match=r"Expected list|Failed to validate data against type hint"):
        served_model.predict(data)


def test_served_model_refuses_an_unknown_output(served_model: Any) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="output 'xml': there are records, json"):
        served_model.predict(["在"], params={"output": "xml"})


def test_served_model_answers_requests(served_model: Any) -> None:
    from mlflow.pyfunc.scoring_server import init
    from starlette.testclient import TestClient

    client = TestClient(init(served_model))
    answer = client.post("/invocations", json={"inputs": [TEXT, ""]})
    assert answer.status_code == 200
    assert [spans(record) for record in answer.json()["predictions"]] == [ENTITIES, []]
    answer = client.post("/invocations", json={"inputs": [TEXT], "params": {"output": "json"}})
    assert spans(json.loads(answer.json()["predictions"][0])) == ENTITIES
    for wrong in (
        {"inputs": "在"},
        {"inputs": [1]},
        {"texts": ["在"]},
        {"inputs": ["在"], "params": {"output": "xml"}},
    ):
        assert client.post("/invocations", json=wrong).status_code == 400, wrong


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository with a version of torch and int8."""
    folder = tmp_path_factory.mktemp("int8")
    with pytest.MonkeyPatch.context() as monkeypatch:
        leave_stores_alone(monkeypatch)
        register_export(folder)
        yield folder


@pytest.fixture
def load(root: Path) -> Any:
    """``load_model`` of MLflow, in the store of ``root``."""
    connect(root)
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model


def scores(records: list[dict[str, Any]]) -> list[list[float]]:
    return [[entity["score"] for entity in record["entities"]] for record in records]


def scores_of(root: Path, runtime: str, text: str = TEXT) -> list[list[float]]:
    found = Tagger.load(root / "models" / "export", runtime).tag([text])
    return [[entity.score or 0 for entity in entities] for entities in found]


def runtime_of(model: Any) -> str:
    return str(model.unwrap_python_model().tagger.source.runtime)


def test_served_model_leaves_out_what_scores_less(root: Path, load: Any) -> None:
    model = load(CHAMPION)
    (wanted,) = scores_of(root, "int8")
    assert len(wanted) > 3
    assert scores(model.predict([TEXT])) == [wanted]
    for least in (0, 0.3, sorted(wanted)[1], max(wanted), 0.9, 1):
        kept = [score for score in wanted if score >= least]
        assert scores(model.predict([TEXT], params={"min_score": least})) == [kept]
        (as_json,) = model.predict([TEXT], params={"min_score": least, "output": "json"})
        assert scores([json.loads(as_json)]) == [kept]


@pytest.mark.parametrize("value", [-0.1, 1.01, 2, math.nan, math.inf, None, True, "0.5", [0.5], {"a": 1}])
def test_served_model_refuses_what_is_no_min_score(served_model: Any, value: Any) -> None:
    from mlflow.exceptions import MlflowException

    for model in (served_model, served_model.unwrap_python_model()):
        arguments = ([TEXT],) if model is served_model else (None, [TEXT])
        with pytest.raises(MlflowException, match="min_score"):
            model.predict(*arguments, params={"min_score": value})


def test_served_model_runs_what_its_owner_says(root: Path, load: Any) -> None:
    assert runtime_of(load(CHAMPION)) == "int8"
    for runtime, wanted in (("torch", "torch"), ("int8", "int8"), ("auto", "torch"), (None, "torch")):
        model = load(CHAMPION, model_config={"runtime": runtime, "device": "auto"})
        assert runtime_of(model) == wanted
        assert scores(model.predict([TEXT])) == scores_of(root, wanted)
    assert scores_of(root, "torch") != scores_of(root, "int8")


def test_served_model_runtime_of_the_environment(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_PYFUNC_INFERENCE_CONFIG", '{"runtime": "torch"}')
    assert runtime_of(load(CHAMPION)) == "torch"


def test_served_model_names_the_runtimes_that_it_has(load: Any) -> None:
    with pytest.raises(
        ArtifactError, match=r"runtime onnx needs; it has files for: int8, torch; .*export\.register_onnx"
    ):
        load(CHAMPION, model_config={"runtime": "onnx"})
    with pytest.raises(DeviceError, match="device cuda: runtime int8 computes on the CPU only"):
        load(CHAMPION, model_config={"device": "cuda"})
    assert runtime_of(load(CHAMPION, model_config={"device": "cpu"})) == "int8"
    with pytest.raises(ValueError, match="runtime 'fast': there are auto, int8, onnx, torch"):
        load(CHAMPION, model_config={"runtime": "fast"})


@pytest.mark.parametrize("given", [{}, {"min_score": 0.0}])
def test_served_model_takes_no_runtime_from_a_request(root: Path, load: Any, given: dict[str, Any]) -> None:
    model = load(CHAMPION)
    records = model.predict([TEXT], params=given | {"runtime": "torch", "device": "cuda", "threads": 9})
    assert scores(records) == scores_of(root, "int8")
    assert runtime_of(model) == "int8"
    described = yaml.safe_load(card(root).read_text())
    assert described["flavors"]["python_function"]["config"] == {"runtime": "int8", "device": "auto"}
    params = json.loads(described["signature"]["params"])
    assert [(param["name"], param["default"]) for param in params] == [("output", "records"), ("min_score", 0.0)]


def card(root: Path) -> Path:
    (found,) = (root / "mlartifacts").rglob("MLmodel")
    return found


def test_served_model_of_an_earlier_release_is_torch(root: Path, tmp_path: Path, load: Any) -> None:
    folder = tmp_path / "model"
    shutil.copytree(card(root).parent, folder)
    shutil.rmtree(folder / "artifacts" / "onnx")
    described = yaml.safe_load((folder / "MLmodel").read_text())
    flavor = described["flavors"]["python_function"]
    del flavor["config"], flavor["artifacts"]["onnx"]
    (folder / "MLmodel").write_text(yaml.safe_dump(described))
    model = load(str(folder))
    assert runtime_of(model) == "torch"
    assert scores(model.predict([TEXT])) == scores_of(root, "torch")


def test_served_model_requires_what_its_runtime_needs(root: Path) -> None:
    pins = (card(root).parent / "requirements.txt").read_text().split()
    assert [pin.partition("==")[0] for pin in pins] == [
        *("mlflow", "numpy", "onnxruntime", "pydantic", "safetensors", "tokenizers")
    ]


@pytest.mark.slow
def test_served_model_of_int8_needs_no_torch(root: Path) -> None:
    code = f"""
HEAVY = ["torch", "transformers", "datasets", "dvc"]

import mlflow
model = mlflow.pyfunc.load_model({str(card(root).parent)!r})
print(*(entity["score"] for entity in model.predict([{TEXT!r}])[0]["entities"]))
print(*(name for name in HEAVY if name in sys.modules), sep=" ")
"""
    done = subprocess.run(
        [sys.executable, "-c", BLOCK + code], env=os.environ, capture_output=True, text=True, cwd=root
    )
    assert done.returncode == 0, done.stderr
    found, heavy = done.stdout.splitlines()
    assert [[float(score) for score in found.split()]] == scores_of(root, "int8")
    assert heavy == ""


@pytest.mark.slow
def test_served_model_behind_mlflows_server_keeps_its_runtime(root: Path) -> None:
    def ask(address: str, params: dict[str, Any]) -> list[list[float]]:
        body = json.dumps({"inputs": [TEXT], "params": params}).encode()
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return scores(json.load(answer)["predictions"])

    (int8,) = scores_of(root, "int8")
    with scoring_server(root, CHAMPION) as address:
        for params in ({}, {"runtime": "torch"}, {"runtime": "fast", "device": "cuda", "model_config": {}}):
            assert ask(address, params) == [int8]
        assert ask(address, {"min_score": max(int8), "runtime": "torch"}) == [[max(int8)]]
    with scoring_server(root, CHAMPION, MLFLOW_PYFUNC_INFERENCE_CONFIG='{"runtime": "torch"}') as address:
        assert ask(address, {"runtime": "int8"}) == scores_of(root, "torch")


def test_registered_int8_is_a_runtime_of_the_tagger(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(root))
    tagger = Tagger.load(CHAMPION, "int8")
    assert tagger.source is not None
    assert (tagger.source.name, tagger.source.runtime) == ("models:/clue-ner/1", "int8")
    assert [[entity.score for entity in found] for found in tagger.tag([TEXT])] == scores_of(root, "int8")
    assert len(local_client(root).search_model_versions("name = 'clue-ner'")) == 1
