"""What Label Studio's server asks, and what doccano asks and makes of the answer, as docs/serving.md has it."""

import json
import re
from typing import Any

import jinja2
import pytest
from support.commands import ENTITIES, TEXT
from support.places import ROOT
from support.serving import Server

DOCS = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
CONFIG = """
<View>
  <!-- what is labelled -->
  <Labels name="ner" toName="body">
    <Label value="人名" predicted_values="person, name"/>
    <Label value="ADDRESS"/>
    <Label value="company" alias="ORG"/>
  </Labels>
  <Text name="body" value="$content"/>
</View>
"""


def predict(server: Server, *texts: Any, config: str = CONFIG, key: str = "content") -> Any:
    """As Label Studio's server asks."""
    body = {
        "tasks": [{"id": number, "data": {key: text}, "annotations": []} for number, text in enumerate(texts)],
        "model_version": None,
        "project": "1.1700000000",
        "label_config": config,
        "params": {"login": None, "password": None, "context": None},
    }
    return server.ask("/predict", body)


def test_predictions_are_regions_of_the_text(server: Server) -> None:
    answer = predict(server, TEXT, "今天下雨")
    assert answer.status == 200
    first, second = answer.json["results"]
    assert second["result"] == []
    labels = {"name": "人名", "address": "ADDRESS", "company": "ORG"}
    for region, entity in zip(first["result"], ENTITIES, strict=True):
        assert (region["from_name"], region["to_name"], region["type"]) == ("ner", "body", "labels")
        places = {name: entity[name] for name in ("start", "end", "text")}
        assert region["value"] == {**places, "labels": [labels[entity["type"]]]}
    assert first["score"] == min(region["score"] for region in first["result"])
    setup = server.ask("/setup", {"project": "1.2", "schema": CONFIG, "hostname": "http://x", "access_token": "t"})
    assert setup.json == {"model_version": first["model_version"]}


def test_types_without_a_label_are_left_out(server: Server) -> None:
    config = '<View><Labels name="l" toName="t"><Label value="name"/></Labels><Text name="t" value="$text"/></View>'
    (prediction,) = predict(server, TEXT, config=config, key="text").json["results"]
    assert [region["value"]["labels"] for region in prediction["result"]] == [["name"], ["name"]]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("<View>", "label_config: not XML ("),
        ("<View/>", "label_config: found no <Labels> for a <Text>"),
        (CONFIG.replace('name="body"', 'name="other"'), "label_config: found no <Labels> for a <Text>"),
        (CONFIG.replace("$content", "fixed"), "label_config: found a <Text> without its text"),
        (CONFIG.replace('value="$content"', 'value="$content" valueType="url"'), "a <Text> without its text"),
        ('<!DOCTYPE v [<!ENTITY a "aaaa">]><View>&a;</View>', "label_config: found a declaration"),
        (CONFIG.replace("$content", "$missing"), 'tasks.0.data: found no string "missing"'),
    ],
)
def test_interfaces_that_cannot_be_used_are_named(server: Server, config: str, message: str) -> None:
    answer = predict(server, TEXT, config=config)
    assert answer.status == 422
    assert message in answer.json["error"]


def test_health_and_events_are_answered(server: Server) -> None:
    assert server.ask("/health").json == {"status": "UP", "model_class": "clue-ner"}
    event = {"action": "ANNOTATION_CREATED", "project": {"id": 1}}
    assert server.ask("/webhook", event).json == {"status": "ignored"}


def block(after: str, language: str) -> str:
    """The first code block of ``language`` after a heading of the documentation."""
    found = re.search(rf"## {after}.*?```{language}\n(.*?)```", DOCS, re.DOTALL)
    assert found, after
    return found[1]


def test_label_studio_interface_of_the_documentation_is_taken(server: Server) -> None:
    config = block("Label Studio", "xml")
    (prediction,) = predict(server, TEXT, config=config, key="text").json["results"]
    assert len(prediction["result"]) == len(ENTITIES)


def test_doccano_makes_labels_with_the_settings_of_the_documentation(server: Server) -> None:
    body = json.loads(block("doccano", "json"))
    (key,) = (name for name, value in body.items() if value == "{{ text }}")  # doccano replaces just this value
    answer = server.ask("/tag", {**body, key: TEXT}).json
    labels = json.loads(jinja2.Template(block("doccano", "jinja")).render(input=answer))
    wanted = [{"label": e["type"], "start_offset": e["start"], "end_offset": e["end"]} for e in ENTITIES]
    assert labels == wanted
    nothing = server.ask("/tag", {**body, key: "今天下雨"}).json
    assert json.loads(jinja2.Template(block("doccano", "jinja")).render(input=nothing)) == []
