"""The clone with next to no work; that the pipeline runs in it is held by the slow tests of pipeline and overhead."""

import json
import os
from pathlib import Path

import pytest
import yaml

from bench import clone, commands
from bench.inputs import ROOT
from clue_ner.alignment.aligner import Aligner
from clue_ner.alignment.encode import count
from clue_ner.core.entities import Sentence
from clue_ner.core.params import CorpusParams, Params
from clue_ner.corpora import load_corpus


def read_corpus(folder: Path) -> list[Sentence]:
    """The corpus of the clone, once it is written to ``folder``."""
    clone.write_corpus(folder)
    params = CorpusParams(name="jsonl", path=str(folder), options={}, valid_fraction=0.0, split_seed=0)
    splits = load_corpus(params).splits
    assert splits.keys() == {"train"}
    return splits["train"]


def test_corpus_has_24_sentences_with_two_entities_each(tmp_path: Path) -> None:
    sentences = read_corpus(tmp_path)
    assert len({sentence.text for sentence in sentences}) == len(sentences) == 24
    for sentence in sentences:
        assert {(entity.type, entity.surface(sentence.text)) for entity in sentence.entities} in [
            {("name", person), ("address", place)} for person in clone.PEOPLE for place in clone.PLACES
        ]


def test_backbone_has_two_layers_and_knows_the_characters(tmp_path: Path) -> None:
    sentences = read_corpus(tmp_path / "corpus")
    clone.write_backbone(tmp_path / "bert")
    config = json.loads((tmp_path / "bert/config.json").read_text())
    assert (config["model_type"], config["num_hidden_layers"], config["hidden_size"]) == ("bert", 2, 32)
    found = count(sentences, Aligner.from_backbone(tmp_path / "bert", "characters", 256, 64))
    assert found.unknown_tokens == 0
    assert found.tokens == sum(len(sentence.text) + 2 for sentence in sentences)


def test_settings_are_params_and_make_little_work() -> None:
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    for name, value in clone.SETTINGS.items():
        section, key = name.split(".")
        assert key in values[section]
        values[section][key] = yaml.safe_load(value)
    params = Params.model_validate(values)
    assert (params.train.epochs, params.train.r_drop, params.train.ema_decay) == (2, 0.0, 0.0)
    assert (params.tagging.align, params.export.onnx) == ("characters", False)


def test_copy_takes_what_git_knows_as_it_is_now(tmp_path: Path) -> None:
    root, variables = tmp_path / "root", {**os.environ}
    (root / "stages").mkdir(parents=True)
    (root / ".gitignore").write_text("ignored\n")
    (root / "stages/python").write_text("old")
    (root / "gone").write_text("")
    commands.run(["git", "init", "--quiet"], root, variables)
    commands.run(["git", "add", "--all"], root, variables)
    (root / "gone").unlink()
    (root / "stages/python").write_text("new")
    (root / "stages/python").chmod(0o755)
    for name in ("ignored", "new"):
        (root / name).write_text("")
    clone.copy(root, tmp_path / "copy", variables)
    copied = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    assert copied == {".gitignore", "new", "stages/python"}
    assert (tmp_path / "copy/stages/python").read_text() == "new"
    assert os.access(tmp_path / "copy/stages/python", os.X_OK)


def test_run_refuses_a_pipeline_of_which_stages_were_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dvc.yaml").write_text("stages:\n  b:\n    cmd: echo\n  a:\n    cmd: echo\n")
    assert clone.stages(tmp_path) == ["b", "a"]

    class Done:
        stdout = "Running stage 'b':\nStage 'a' didn't change, skipping\n"

    def run(command: list[str], folder: Path, variables: dict[str, str]) -> Done:
        assert command[:3] == ["dvc", "exp", "run"] and "export.onnx=false" in command and folder == tmp_path
        return Done()

    monkeypatch.setattr(commands, "run", run)
    with pytest.raises(RuntimeError, match="left out a:"):
        clone.run(tmp_path, {})
    Done.stdout += "Running stage 'a':\n"
    clone.run(tmp_path, {})
