import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.tiny import TAGS, tiny_tagger_folder
from support.tracking_repository import leave_stores_alone, put_empty_store, tracking_params

from clue_ner.tracking import register

TEXT = "昨天😀去了上海招商银行。"
ENTITIES = [(2, 3, "name", "😀"), (5, 7, "address", "上海"), (7, 11, "company", "招商银行")]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The champion, as MLflow loads it."""
    root = tmp_path_factory.mktemp("repository")
    tiny_tagger_folder(root / "models" / "export" / "tagger", lexicon=TAGS)
    with pytest.MonkeyPatch.context() as monkeypatch:
        leave_stores_alone(monkeypatch)
        put_empty_store(root)
        assert register(root, root / "models" / "export", tracking_params()) is not None
        import mlflow.pyfunc

        yield mlflow.pyfunc.load_model("models:/clue-ner@champion")


def spans(record: dict[str, Any]) -> list[tuple[int, int, str, str]]:
    return [(e["start"], e["end"], e["type"], e["text"]) for e in record["entities"]]


def test_served_model_gives_a_record_for_each_text(served: Any) -> None:
    texts = [TEXT, "", "在\0", "\ud800", "一 人", TEXT * 9]
    records = served.predict(texts)
    assert [record["text"] for record in records] == texts
    assert spans(records[0]) == ENTITIES
    assert all(0 < entity["score"] <= 1 for entity in records[0]["entities"])
    assert [len(record["entities"]) for record in records] == [3, 0, 0, 0, 0, 27]
    assert served.predict([]) == []
    assert json.loads(json.dumps(records)) == records


def test_served_model_takes_a_data_frame_and_gives_json(served: Any) -> None:
    import pandas

    frame = pandas.DataFrame({"text": [TEXT, "在"]})
    given = served.predict(frame, params={"output": "json"})
    assert [spans(json.loads(record)) for record in given] == [ENTITIES, []]


@pytest.mark.parametrize("data", ["在", [1], [None], [["在"]], {"a": 1}])
def test_served_model_refuses_what_is_no_list_of_texts(served: Any, data: Any) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match=r"Expected list|Failed to validate data against type hint"):
        served.predict(data)


def test_served_model_refuses_an_unknown_output(served: Any) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="output 'xml': there are records, json"):
        served.predict(["在"], params={"output": "xml"})


def test_served_model_answers_requests(served: Any) -> None:
    from mlflow.pyfunc.scoring_server import init
    from starlette.testclient import TestClient

    client = TestClient(init(served))
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
