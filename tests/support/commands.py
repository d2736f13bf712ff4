"""Commands of ``clue-ner`` run in this process, and what a tiny tagger finds in a text."""

import json

import pytest
from click.testing import CliRunner

from clue_ner.cli.main import main

TEXT = "李雷昨天在上海的招商银行😀"
ENTITIES = [
    {"type": "name", "start": 0, "end": 2, "text": "李雷"},
    {"type": "address", "start": 5, "end": 7, "text": "上海"},
    {"type": "company", "start": 8, "end": 12, "text": "招商银行"},
    {"type": "name", "start": 12, "end": 13, "text": "😀"},
]
"""What a tagger of ``lexicon=TAGS`` finds in ``TEXT``, without scores."""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Work in an empty folder that is no repository, without the settings of whoever runs the tests.

    Import it to use it.
    """
    for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def run(*arguments, content=None, **environment):
    """Run ``clue-ner`` with these arguments; ``content`` is its standard input."""
    content = content.encode() if isinstance(content, str) else content
    return CliRunner().invoke(main, list(map(str, arguments)), input=content, env=environment)


def records(result):
    """The JSON records that a command wrote, one a line."""
    assert result.stdout_bytes.endswith(b"\n")
    return [json.loads(line) for line in result.stdout_bytes[:-1].split(b"\n")]


def found(record):
    """The entities of a record, without their scores, once these and the surfaces are right."""
    for entity in record["entities"]:
        assert list(entity) == ["type", "start", "end", "text", "score"]
        assert record["text"][entity["start"] : entity["end"]] == entity["text"]
        assert 0 <= entity["score"] <= 1
    return [{name: value for name, value in entity.items() if name != "score"} for entity in record["entities"]]
