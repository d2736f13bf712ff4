"""The command line where only tagging is installed: it tags, shows and predicts, and names the extra of the rest."""

import json
from pathlib import Path

import pytest
from support.graphs import write_graphs
from support.light import BLOCK, CLI, python
from support.tiny import TAGS, tiny_tagger_folder

from clue_ner.tagger.model_files import GRAPHS
from clue_ner.tagger.tagger import Tagger

COMMANDS = ("tag", "show", "predict", "convert", "data", "evaluate", "sync", "verify", "sweep")
TEXT = "李雷去了上海"
SURFACES = ["李雷", "上海"]


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as models/export."""
    folder = tmp_path_factory.mktemp("export")
    tagger = Tagger.load(tiny_tagger_folder(folder / "tagger", lexicon=TAGS), "torch")
    write_graphs(tagger, folder)
    return folder


@pytest.mark.parametrize(("asked", "runtime"), [("auto", "onnx"), *((name, name) for name in GRAPHS)])
def test_light_cli_tags_shows_and_predicts(export: Path, tmp_path: Path, asked: str, runtime: str) -> None:
    options = "--model", str(export), "--runtime", asked
    line = f"model: {export}, runtime {runtime} on cpu\n"
    tagged = python(BLOCK + CLI, "tag", *options, content=TEXT)
    assert (tagged.returncode, tagged.stderr) == (0, line)
    assert [entity["text"] for entity in json.loads(tagged.stdout)["entities"]] == SURFACES
    shown = python(BLOCK + CLI, "show", *options, TEXT)
    assert (shown.returncode, shown.stdout, shown.stderr) == (0, "[李雷 name]去了[上海 address]\n", line)
    predicted = python(BLOCK + CLI, "predict", *options, "-", content=TEXT, folder=tmp_path)
    assert predicted.returncode == 0, predicted.stderr
    (record,) = (tmp_path / "cluener_predict.json").read_text(encoding="utf-8").splitlines()
    assert json.loads(record)["label"] == {"address": {"上海": [[4, 5]]}, "name": {"李雷": [[0, 1]]}}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["tag", "--runtime", "torch"],
            "runtime torch needs torch, which is not installed; run `pip install 'clue-ner[",
        ),
        (["tag", "--model", "models:/a@b"], "models:/a@b: the model registry needs "),
        (["serve"], "`clue-ner serve` needs "),
        (["sync"], "`clue-ner sync` needs "),
        (["verify"], "`clue-ner verify` needs "),
        (["sweep"], "`clue-ner sweep` needs optuna, "),
        (["data", "sample"], "`clue-ner data` needs ruamel, "),
        (["evaluate", "x", "sample"], "`clue-ner evaluate` needs ruamel, "),
    ],
)
def test_light_cli_names_the_extra_that_is_missing(
    export: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    model = [] if "--model" in arguments or arguments[0] != "tag" else ["--model", str(export)]
    done = python(BLOCK + CLI, *arguments, *model, folder=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {message}")
    assert line.endswith("]'`")


def test_light_cli_without_a_model_says_where_it_looked(tmp_path: Path) -> None:
    done = python(BLOCK + CLI, "tag", folder=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    exports = tmp_path / "models/export", tmp_path / "demo/models/export"
    assert line.startswith(
        f"error: no model: there is neither {exports[0]} nor {exports[1]} (the model registry needs "
    )
    assert "clue-ner[tracking]" in line


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_light_cli_help_always_works(command: list[str]) -> None:
    done = python(BLOCK + CLI, *command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage:" in done.stdout


def test_light_cli_tags_into_layouts_and_says_what_parquet_needs(export: Path, tmp_path: Path) -> None:
    options = "--model", str(export), "--uncertain", "1", "--out"
    written = python(
        BLOCK + CLI, "tag", *options, "next.json", "--to", "label_studio", "--provenance", content=TEXT, folder=tmp_path
    )
    assert written.returncode == 0, written.stderr
    (task,) = json.loads((tmp_path / "next.json").read_text(encoding="utf-8"))
    assert task["data"]["text"] == TEXT
    written = python(BLOCK + CLI, "tag", *options, "next.parquet", content=TEXT, folder=tmp_path)
    assert (written.returncode, (tmp_path / "next.parquet").exists()) == (1, False)
    assert "error: writing Parquet needs pyarrow, which is not installed" in written.stderr
