"""The routes, asked over HTTP: answers are the tagger's own, and what is wrong is said."""

import json
import random
from typing import Any

import pytest
from support.commands import ENTITIES, TEXT
from support.serving import Server
from support.tiny import TYPES

from clue_ner.tagger.tagger import Tagger

TEXTS = [
    "李雷昨天在上海的招商银行😀",
    "",
    "我们",
    "上海e\u0301上海👩‍👩‍👧李雷",
    "\ud83d李雷",
    "\0\r\n上海",
    "李雷上海" * 300,
]


def own(tagger: Tagger, text: str) -> list[dict[str, Any]]:
    return [
        {"type": e.type, "start": e.start, "end": e.end, "text": e.surface(text), "score": e.score}
        for e in tagger.tag([text])[0]
    ]


def test_tag_answers_as_the_tagger_does(server: Server, tagger: Tagger) -> None:
    answer = server.tag(*TEXTS)
    assert answer.status == 200
    assert [result["entities"] for result in answer.json["results"]] == [own(tagger, text) for text in TEXTS]


def test_tag_answers_each_of_many_clients_as_the_tagger_does(server: Server, tagger: Tagger) -> None:
    generator = random.Random(0)
    bodies = [
        {
            "texts": [
                "".join(generator.choices("李雷去了上海，招商银行😀我们", k=generator.randrange(60))) for _ in range(3)
            ]
        }
        for _ in range(60)
    ]
    for body, answer in zip(bodies, server.at_once(bodies), strict=True):
        assert answer.status == 200
        for result, text in zip(answer.json["results"], body["texts"], strict=True):
            wanted = own(tagger, text)
            for entity in wanted:
                entity["score"] = pytest.approx(entity["score"], abs=1e-4)  # what batches may change: docs/api.md
            assert result["entities"] == wanted


def test_tag_takes_one_text(server: Server) -> None:
    (result,) = server.ask("/tag", {"text": TEXT}).json["results"]
    assert [{k: v for k, v in e.items() if k != "score"} for e in result["entities"]] == ENTITIES


def test_tag_keeps_ids_and_order(server: Server) -> None:
    texts = [{"id": 7, "text": "上海"}, "李雷", {"id": "七", "text": ""}, {"id": 2**70, "text": "李雷"}, {"text": ""}]
    results = server.ask("/tag", {"texts": texts}).json["results"]
    assert [result.get("id", "none") for result in results] == [7, "none", "七", 2**70, "none"]
    assert [[e["text"] for e in result["entities"]] for result in results] == [["上海"], ["李雷"], [], ["李雷"], []]
    assert server.ask("/tag", {"text": "", "id": "a"}).json["results"] == [{"id": "a", "entities": []}]
    assert server.ask("/tag", {"texts": []}).json["results"] == []


def test_tag_leaves_out_types_and_low_scores(server: Server) -> None:
    def found(**options: Any) -> list[str]:
        (result,) = server.tag(TEXT, **options).json["results"]
        return [entity["text"] for entity in result["entities"]]

    assert found(types=["name", "address"]) == ["李雷", "上海", "😀"]
    assert found(types=[]) == []
    text = "".join(random.Random(0).choices("李雷去了上海，招商银行😀我们", k=200))
    (result,) = server.tag(text).json["results"]
    limit = max(entity["score"] for entity in result["entities"])
    (some,) = server.tag(text, min_score=limit).json["results"]
    assert some["entities"] == [entity for entity in result["entities"] if entity["score"] >= limit]
    assert len(some["entities"]) < len(result["entities"])


def test_every_answer_names_the_version(server: Server) -> None:
    model = server.ask("/model").json
    assert model["types"] == list(TYPES)
    assert model["fingerprint"].startswith(model["version"])
    assert (model["runtime"], model["device"]) == ("onnx", "cpu")
    assert server.tag("上海").json["model"] == {"name": model["name"], "version": model["version"]}


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 422, 'found neither of "text" and "texts", wanted one'),
        ({"text": "a", "texts": []}, 422, 'found both of "text" and "texts", wanted one'),
        ({"texts": ["a"], "id": 1}, 422, 'found an "id" beside "texts"'),
        ({"text": 5}, 422, "text: found 5: input should be a valid string"),
        ({"text": "a", "min_score": 1.5}, 422, "min_score: found 1.5: "),
        ({"text": "a", "min_score": float("nan")}, 422, "min_score: found nan: "),
        ({"text": "a", "min_score": "0.5"}, 422, "min_score"),
        ({"text": "a", "id": 1.5}, 422, "id"),
        ({"text": "a", "id": True}, 422, "id"),
        ({"texts": ["a", {"text": None}]}, 422, "texts.1"),
        ({"text": "a", "lang": "zh"}, 422, "found the key 'lang', wanted only text, id, texts, min_score, types"),
        ({"texts": [{"text": "a", "n": 1}]}, 422, "texts.0: found the key 'n', wanted only text, id"),
        ({"a" * 99: 1}, 422, f"found the key '{'a' * 60}', wanted"),
        ({"text": "a", "types": ["person"]}, 422, "types: found person, wanted some of address, company, name"),
        ([], 422, "found []: input should be a valid dictionary or object"),
        ({"text": "a" * 20_001}, 422, "texts.0: found 20001 characters, wanted at most 20000"),
        ({"texts": ["a"] * 257}, 422, "texts: found 257, wanted at most 256"),
        (b"{", 400, "not JSON ("),
        (b"\xff", 400, ""),
        (b"[" * 100_000, 400, ""),
        (b'{"text": "a", "id": ' + b"1" * 5000 + b"}", 400, ""),
        (b"", 422, ""),
        (b'{"text": "' + b"a" * 2**20 + b'"}', 413, "wanted at most 1048576"),
    ],
)
def test_tag_says_what_is_wrong(server: Server, body: Any, status: int, message: str) -> None:
    answer = server.ask("/tag", body)
    assert answer.status == status, answer
    assert message in answer.json["error"]
    assert len(answer.body) < 600
    assert server.tag("上海").status == 200


def test_unknown_paths_and_methods_are_answered_as_json(server: Server) -> None:
    for path, method, status in (("/nothing", "GET", 404), ("/tag", "GET", 405), ("/model", "POST", 405)):
        answer = server.ask(path, b"{}" if method == "POST" else None)
        assert (answer.status, list(answer.json)) == (status, ["error"])


def test_health_is_told(server: Server) -> None:
    assert server.ask("/healthz").json == {"status": "ok"}
    assert server.ask("/readyz").json == {"status": "ready"}


def test_metrics_count_what_was_asked(server: Server) -> None:
    name = 'clue_ner_requests_total{path="/tag",status="200"}'
    before = server.metric(name), server.metric("clue_ner_texts_total")
    server.tag("上海", "李雷")
    assert (server.metric(name), server.metric("clue_ner_texts_total")) == (before[0] + 1, before[1] + 2)
    assert server.metric("clue_ner_waiting_characters") == 0
    assert server.metric("clue_ner_worker_starts") == 1


def test_openapi_has_examples_that_are_answered(server: Server) -> None:
    document = server.ask("/openapi.json").json
    assert set(document["components"]["schemas"]["ModelResponse"]["properties"]) == set(server.ask("/model").json)
    assert set(document["paths"]) >= {"/tag", "/model", "/healthz", "/readyz", "/metrics"}
    content = document["paths"]["/tag"]["post"]["requestBody"]["content"]["application/json"]
    for example in content["examples"].values():
        body = example["value"]
        body.pop("types", None)  # of the example's model
        assert server.ask("/tag", body).status == 200
    for path in ("/docs", "/redoc"):  # they would load scripts from elsewhere
        assert server.ask(path).status == 404


def test_answers_are_utf8_and_kept_by_nobody(server: Server) -> None:
    answer = server.tag("上海")
    assert "上海".encode() in answer.body
    assert answer.headers["cache-control"] == "no-store"
    assert json.loads(server.tag("\ud83d李雷").body.decode("utf-8"))
