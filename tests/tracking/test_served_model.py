import json
from typing import Any

import pytest

TEXT = "昨天😀去了上海招商银行。"
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
