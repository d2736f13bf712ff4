"""The tutorial's commands, run in a clone from top to bottom with the real backbone; both languages have the same."""

import json
import re
import shutil
import textwrap
from pathlib import Path

import pytest
from support.clones import Clone, make_clone
from support.places import ROOT

from clue_ner.common.files import read_json

PAGES = [ROOT / "docs/tutorial.md", ROOT / "docs/tutorial.zh-CN.md"]
BLOCK = re.compile(r"^( *)```(?:bash|xml)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
ACTIVATE = "source .venv/bin/activate\n"


def blocks(page: Path) -> list[str]:
    """The code blocks of a page, without their indent."""
    return [textwrap.dedent(found[2]) for found in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def test_both_languages_have_the_same_code() -> None:
    english, chinese = map(blocks, PAGES)
    assert len(english) > 8
    assert english == chinese


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clone, list[tuple[str, str]]]:
    """A clone with the project's own params in which the page's commands have run, and what each block printed."""
    clone = make_clone(tmp_path_factory.mktemp("tutorial") / "clone")
    shutil.copy(ROOT / "params.yaml", clone.path)
    clone.run("git", "add", "params.yaml")
    clone.commit("the params as they are")
    commands = [block for block in blocks(PAGES[0]) if block != ACTIVATE and not block.startswith("<")]
    return clone, [(block, clone.run("bash", "-euo", "pipefail", "-c", block)) for block in commands]


def said(walked: tuple[Clone, list[tuple[str, str]]], command: str) -> str:
    (output,) = [output for block, output in walked[1] if command in block]
    return output


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_tutorial_goes_round_the_circle(walked: tuple[Clone, list[tuple[str, str]]]) -> None:
    clone, _ = walked
    uncertain = json.loads((clone.path / "next.json").read_text(encoding="utf-8"))
    assert len(uncertain) == 20
    assert all(task["predictions"][0]["model_version"].startswith("tickets 1 ") for task in uncertain)
    assert any(task["predictions"][0]["result"] for task in uncertain)
    assert "订单号" in read_json(clone.path / "models/export/tagger/tagger.json")["types"]
    scores = read_json(clone.path / "metrics/evaluate.json")
    assert scores["micro"]["f1"] > 0.8
    assert scores["micro"]["per_type"]["订单号"]["f1"] > 0.8
    versions = clone.client().search_model_versions("name='tickets'")
    assert sorted(int(version.version) for version in versions) == [1, 2]
    assert "订单号" in said(walked, "--min-score 0.5")
    first = [json.loads(line) for line in (clone.path / "docs/tutorial/tickets.jsonl").read_text().splitlines()]
    again = [json.loads(line) for line in (clone.path / "columns/again.jsonl").read_text().splitlines()]
    assert [line["label"] for line in again] == [line["label"] for line in first]
