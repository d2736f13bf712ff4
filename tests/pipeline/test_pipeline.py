"""All stages through DVC in a clone of its own: a tiny corpus, a tiny random BERT, real commands."""

import json

import pytest
from support.clones import STAGES, Clone, make_clone

from clue_ner.core.files import read_json, read_sentences, sha256
from clue_ner.tagger.tagger import Tagger


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    return make_clone(tmp_path_factory.mktemp("clone"))


@pytest.mark.timeout(900)
def test_pipeline_runs_and_reruns_what_a_change_reaches(clone: Clone) -> None:
    first = clone.run("dvc", "repro")
    assert clone.stages_run(first) == STAGES
    scores = read_json(clone.path / "metrics/evaluate.json")
    assert scores["sentences"] == 16 and scores["entities"] == 32
    assert {"micro", "lenient", "official"} <= set(scores)
    assert "Running stage" not in clone.run("dvc", "repro")
    (run,) = clone.runs()
    assert run.data.params["train.lr"] == "0.001"
    assert run.data.metrics["test/micro_f1"] == pytest.approx(scores["micro"]["f1"], abs=1e-6)
    versions = clone.client().search_model_versions("name='clue-ner'")
    assert len(versions) == 1

    sentences = read_sentences(clone.path / "data/corpus/test.jsonl")
    tagger = Tagger.load(clone.path / "models/export")
    for sentence, entities in zip(sentences, tagger.tag([s.text for s in sentences])):
        for entity in entities:
            assert 0 <= entity.start < entity.end <= len(sentence.text)
    again = [json.loads(line) for line in (clone.path / "data/predictions/test.jsonl").read_text().splitlines()]
    assert [row["text"] for row in again] == [sentence.text for sentence in sentences]

    clone.run("git", "add", "dvc.lock", "metrics", "plots")
    clone.commit("ran")
    before = sha256(clone.path / "models/tagger/model.safetensors")
    changed = clone.run("dvc", "exp", "run", "-S", "train.lr=4e-5")
    assert clone.stages_run(changed) == ["fine_tune", "evaluate", "export"]
    assert sha256(clone.path / "models/tagger/model.safetensors") != before
    runs = clone.runs()
    assert {run.data.params["train.lr"] for run in runs} == {"0.001", "4e-05"}
    assert len({run.data.tags["clue_ner.fingerprint"] for run in runs}) == 2
    assert any(run.data.tags["clue_ner.experiment"] for run in runs)
    assert "lr" in clone.run("dvc", "params", "diff")
    assert "micro.f1" in clone.run("dvc", "metrics", "show")

    refused = clone.run("dvc", "exp", "run", "-S", "train.lr=-1", ok=False)
    assert "train.lr" in refused and "greater than 0" in refused
