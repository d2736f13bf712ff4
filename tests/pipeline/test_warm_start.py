"""Train, correct the corpus and add a type, train on: all stages through DVC, with what MLflow and verify say of it."""

import json
from pathlib import Path

import pytest
from support.clones import STAGES, Clone, make_clone

from clue_ner.common.files import read_json
from clue_ner.tagger.config import TaggerConfig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NAME = "models:/clue-ner@champion"
CHANGE = f"train.init_from={NAME}"


def add_type(corpus: Path) -> None:
    """Sentences with an entity of a type that the corpus did not have."""
    for split in ("train", "test"):
        path = corpus / f"{split}.jsonl"
        lines = [
            json.dumps({"text": f"{who}{form}", "entities": [{"type": "company", "start": 0, "end": 5, "text": who}]})
            for who in ("特斯拉公司", "宝芝林公司")
            for form in ("出电影。", "在上海", "一起出游")
        ]
        path.write_text(path.read_text(encoding="utf-8") + "\n".join(lines) + "\n", encoding="utf-8")


def said_by_verify(clone: Clone, what: str) -> str:
    """What verify says of ``what`` for the model of this working tree."""
    lines = clone.run("clue-ner", "verify", "models/tagger", ok=None).splitlines()
    (line,) = (line for line in lines if f"  {what}  " in line)
    return line


def test_warm_start_from_training_to_a_new_type_and_back_to_the_first_model(tmp_path: Path) -> None:
    clone = make_clone(tmp_path)
    said = clone.run("dvc", "repro")
    assert clone.stages_run(said) == STAGES
    assert "is empty" not in said
    first = TaggerConfig.load(clone.path / "models/tagger").trained
    clone.run("git", "add", "dvc.lock", "metrics", "plots")
    clone.commit("first")
    clone.client().set_registered_model_alias("clue-ner", "champion", "1")  # one that finds nothing never is by itself

    add_type(clone.path / "corpus")
    said = clone.run("dvc", "exp", "run", "-S", CHANGE, "-S", "train.epochs=1", "-S", "seed=7")
    assert f", init_from {NAME}\n" in said
    assert f"weights of {NAME}: types address, name; new company" in said
    second = TaggerConfig.load(clone.path / "models/tagger")
    assert second.types == ("address", "company", "name")
    assert second.trained.init_from is not None
    assert second.trained.init_from.resolved == "models:/clue-ner/1"
    assert second.trained.init_from.fingerprint == first.fingerprint
    assert read_json(clone.path / "data/sources/init_from.json") == {"name": NAME, "resolved": "models:/clue-ner/1"}
    assert f"began with the weights of `models:/clue-ner/1` (training `{first.fingerprint}`)" in (
        clone.path / "models/export/README.md"
    ).read_text(encoding="utf-8")

    tags = {"clue_ner.init_from": "models:/clue-ner/1", "clue_ner.init_from_fingerprint": first.fingerprint}
    version = clone.client().get_model_version("clue-ner", "2")
    run = clone.client().get_run(version.run_id)
    logged = clone.client().get_logged_model(version.source.removeprefix("models:/"))
    for found in (version.tags, run.data.tags, logged.tags):
        assert found.items() >= tags.items()
    assert run.data.params["train.init_from"] == NAME
    assert clone.client().get_model_version("clue-ner", "1").tags["clue_ner.fingerprint"] == first.fingerprint

    assert said_by_verify(clone, "init_from").startswith("ok ")
    assert said_by_verify(clone, "training").startswith("ok ")
    clone.client().set_registered_model_alias("clue-ner", "champion", "2")
    assert "up to date" in clone.run("dvc", "repro")
    moved = said_by_verify(clone, "init_from")
    assert moved.startswith("moved ")
    assert "to keep the first, set train.init_from: models:/clue-ner/1; to go on from the other, run `dvc" in moved

    refused = clone.run("dvc", "exp", "run", "-S", CHANGE, "-S", "train.head=crf", "-S", "train.layers=1", ok=False)
    assert (
        "its weights do not fit, because it differs in train.head (there global_pointer, here crf); train.layers"
        in refused
    )
    assert len(clone.runs()) == 2
