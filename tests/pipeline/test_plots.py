"""`dvc plots` with the project's dvc.yaml and templates, of CSV files as the stages write them."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.places import ROOT

from clue_ner.core.entities import Entity, Sentence
from clue_ner.evaluation.curves import write_curves
from clue_ner.evaluation.plots import write_confusion, write_per_type
from clue_ner.evaluation.report import report

EPOCHS = [
    {"epoch": n, "loss": 1 / n, "valid_micro_f1": 0.5, "valid_precision": 0.6, "valid_recall": 0.4} for n in (1, 2)
]
GOLD = [Sentence("1", "王小明在上海", (Entity(0, 3, "人名"), Entity(4, 6, "PER.NOM")))]
FOUND = [[Entity(0, 3, "人名"), Entity(4, 6, "a_type_with_a_name_that_is_longer_than_others")]]
CSV = {
    "plots/training.csv": "epoch,loss,valid_micro_f1,valid_precision,valid_recall\n",
    "plots/per_type.csv": "type,score,f1,low,high\n",
    "plots/confusion.csv": "actual,predicted\n",
}


class Repository:
    def __init__(self, path: Path) -> None:
        self.path = path
        shutil.copytree(ROOT / ".dvc/plots", path / ".dvc/plots")
        for name in (".dvc/config", ".dvc/.gitignore", "dvc.yaml", "params.yaml"):
            shutil.copy(ROOT / name, path / name)
        self.run("git", "init", "--quiet")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=self.path, capture_output=True, text=True, check=True)

    def commit(self, epochs: list[dict[str, Any]], gold: list[Sentence], tag: str) -> None:
        """What fine_tune and evaluate write of these, as a commit with this tag."""
        found = FOUND[: len(gold)]
        write_curves(self.path / "plots/training.csv", epochs)
        write_per_type(self.path / "plots/per_type.csv", report(gold, found, None, 100, 0) if gold else {})
        write_confusion(self.path / "plots/confusion.csv", gold, found)
        self.run("git", "add", "--all")
        self.run("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", tag)
        self.run("git", "tag", tag)

    def specs(self, *revisions: str) -> dict[str, dict[str, Any]]:
        """Each CSV file's plot as Vega-Lite, if there is one; DVC must not complain."""
        done = self.run(sys.executable, "-m", "dvc", "plots", "diff", "--json", *revisions, "--targets", *CSV)
        shown = json.loads(done.stdout)
        assert not re.search("error|fail|could not", done.stderr, re.IGNORECASE), done.stderr
        assert "errors" not in shown
        return {name: plot["content"] for name, plots in shown["data"].items() for plot in plots}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    repository = Repository(tmp_path_factory.mktemp("plots"))
    repository.commit(EPOCHS, GOLD, "one")
    repository.commit(EPOCHS[:1], GOLD, "two")
    repository.commit([{"epoch": 1, "loss": 0.5}], [], "not-scored")
    return repository


@pytest.fixture(scope="module")
def specs(repository: Repository) -> dict[str, dict[str, Any]]:
    return repository.specs("one", "two")


def nodes(spec: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a specification, but for the data."""
    if isinstance(spec, dict):
        yield spec
        for key, value in spec.items():
            yield from nodes(value) if key != "values" else ()
    elif isinstance(spec, list):
        for value in spec:
            yield from nodes(value)


@pytest.mark.parametrize("name", CSV)
def test_plots_draw_columns_that_are_there(name: str, specs: dict[str, dict[str, Any]]) -> None:
    spec = specs[name]
    assert "<DVC_METRIC" not in json.dumps(spec)
    made = {name for node in nodes(spec) for name in ([node["as"]] if isinstance(node.get("as"), str) else [])}
    made |= {name for node in nodes(spec) if isinstance(node.get("as"), list) for name in node["as"]}
    drawn = {node["field"] for node in nodes(spec) if "field" in node}
    read = {
        found for node in nodes(spec) for found in re.findall(r"datum\.(\w+)", json.dumps(node, ensure_ascii=False))
    }
    read |= {name for node in nodes(spec) for name in (*node.get("fold", []), *node.get("groupby", []))}
    assert drawn and drawn | read <= {*CSV[name].strip().split(","), "rev", *made}
    assert {row["rev"] for row in spec["data"]["values"]} == {"one", "two"}


@pytest.mark.parametrize("name", CSV)
def test_plots_tell_experiments_apart_by_colour_or_panel(name: str, specs: dict[str, dict[str, Any]]) -> None:
    spec = specs[name]
    colours = [node["color"] for node in nodes(spec) if isinstance(node.get("color"), dict)]
    assert "rev" in [place.get("field") for place in [*colours, spec["facet"]]]


def test_plots_have_a_panel_for_each_number_of_an_epoch(specs: dict[str, dict[str, Any]]) -> None:
    spec = specs["plots/training.csv"]
    (fold,) = (node["fold"] for node in nodes(spec) if "fold" in node)
    assert {"epoch", *fold} == set(EPOCHS[0])
    (names,) = (node["calculate"] for node in nodes(spec) if node.get("as") == "name")
    assert all(f"{column}: '" in names for column in fold)
    assert spec["spec"]["mark"]["point"], "a single epoch is a line without length"


def test_plots_have_a_bar_for_each_experiment_type_and_score_that_begins_at_zero(
    specs: dict[str, dict[str, Any]],
) -> None:
    spec = specs["plots/per_type.csv"]
    bar = spec["spec"]["layer"][0]
    placed = (spec["facet"]["column"], spec["spec"]["encoding"]["y"], spec["spec"]["encoding"]["yOffset"])
    rows = [tuple(row[place["field"]] for place in placed) for row in spec["data"]["values"]]
    assert len(set(rows)) == len(rows), "bars in one place are stacked"
    assert bar["mark"] == "bar" and bar["encoding"]["x"]["scale"]["domain"] == [0, 1]


def test_plots_share_the_confusion_of_a_gold_type(specs: dict[str, dict[str, Any]]) -> None:
    spec = specs["plots/confusion.csv"]
    (whole,) = (node for node in nodes(spec) if "joinaggregate" in node)
    assert whole["groupby"] == ["rev", "actual"]
    assert spec["spec"]["encoding"]["y"]["field"] == "actual"
    assert {"count", "share"} <= {node["field"] for node in spec["spec"]["layer"][0]["encoding"]["tooltip"]}


def test_plots_of_a_corpus_without_scores_are_empty(repository: Repository) -> None:
    specs = repository.specs("not-scored")
    assert {row["loss"] for row in specs["plots/training.csv"]["data"]["values"]} == {"0.500000"}
    assert set(specs) == {"plots/training.csv"}
    beside = repository.specs("one", "not-scored")["plots/per_type.csv"]
    assert {row["rev"] for row in beside["data"]["values"]} == {"one"}


def test_plots_templates_are_those_of_dvc_yaml() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"].values()
    named = {
        options["template"]
        for stage in stages
        for entry in stage.get("plots", [])
        for options in entry.values()
        if "template" in options
    }
    assert named == {path.stem for path in (ROOT / ".dvc/plots").iterdir()}
