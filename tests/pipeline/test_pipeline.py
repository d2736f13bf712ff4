"""All stages through DVC in a clone of its own: a tiny corpus, a tiny random BERT, real commands."""

import json
import os
import sys
import time
from pathlib import Path

import pytest
from support.clones import STAGES, Clone, make_clone

from clue_ner.common.files import read_json, sha256
from clue_ner.core.sentences import read_split
from clue_ner.experiments.revision import read_file
from clue_ner.tagger.tagger import Tagger

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clone, str]:
    """A clone in which the pipeline has run once and was committed, and what that printed."""
    clone = make_clone(tmp_path_factory.mktemp("clone"))
    said = clone.run("dvc", "repro")
    clone.run("git", "add", "dvc.lock", "metrics", "plots")
    clone.commit("ran")
    return clone, said


@pytest.fixture
def clone(first: tuple[Clone, str]) -> Clone:
    return first[0]


def append(path: Path, line: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + line, encoding="utf-8")


def test_pipeline_runs_every_stage_once_and_tracks_it(first: tuple[Clone, str]) -> None:
    clone, said = first
    assert clone.stages_run(said) == STAGES
    scores = read_json(clone.path / "metrics/evaluate.json")
    assert scores["sentences"] == 16 and scores["entities"] == 32
    assert {"micro", "lenient", "official"} <= set(scores)
    assert "Running stage" not in clone.run("dvc", "repro")
    (run,) = clone.runs()
    assert run.data.params["train.lr"] == "0.001"
    assert run.data.metrics["test/micro_f1"] == pytest.approx(scores["micro"]["f1"], abs=1e-6)
    assert len(clone.client().search_model_versions("name='clue-ner'")) == 1
    sentences = read_split(clone.path, "test")
    assert sentences is not None
    tagger = Tagger.load(clone.path / "models/export")
    for sentence, entities in zip(sentences, tagger.tag([s.text for s in sentences])):
        for entity in entities:
            assert 0 <= entity.start < entity.end <= len(sentence.text)
    again = [json.loads(line) for line in (clone.path / "data/predictions/test.jsonl").read_text().splitlines()]
    assert [row["text"] for row in again] == [sentence.text for sentence in sentences]


def test_pipeline_messages_tracking_and_command_line_rerun_nothing(clone: Clone) -> None:
    for name in ("common/errors.py", "tracking/replay.py", "cli/main.py"):
        append(clone.path / "src/clue_ner" / name, "# another message\n")
    assert clone.stages_run(clone.run("dvc", "repro")) == []
    clone.run("git", "checkout", "src")


def test_pipeline_plot_that_changes_trains_nothing(clone: Clone) -> None:
    append(clone.path / "src/clue_ner/evaluation/plots.py", "# another colour\n")
    assert clone.stages_run(clone.run("dvc", "repro")) == ["evaluate"]
    clone.run("git", "checkout", "src")
    undone = clone.run("dvc", "repro")
    assert clone.stages_run(undone) == []
    assert "evaluate' is cached" in undone


def test_pipeline_corrected_test_label_trains_nothing(clone: Clone) -> None:
    path = clone.path / "corpus/test.jsonl"
    gold = path.read_text(encoding="utf-8")
    head, _, rest = gold.partition("\n")
    record = json.loads(head)
    record["entities"] = record["entities"][:1]
    path.write_text(f"{json.dumps(record, ensure_ascii=False)}\n{rest}", encoding="utf-8")
    before = sha256(clone.path / "models/tagger/model.safetensors")
    assert clone.stages_run(clone.run("dvc", "repro", "--force", "--single-item", "download")) == ["download"]
    assert clone.stages_run(clone.run("dvc", "repro")) == ["evaluate", "export"]
    assert read_json(clone.path / "metrics/evaluate.json")["entities"] == 31
    assert sha256(clone.path / "models/tagger/model.safetensors") == before
    assert len(clone.client().search_model_versions("name='clue-ner'")) == 1
    path.write_text(gold, encoding="utf-8")
    clone.run("dvc", "repro", "--force", "--single-item", "download")
    assert clone.stages_run(clone.run("dvc", "repro")) == []


def test_pipeline_notices_what_changes_in_a_folder_of_ones_own(clone: Clone) -> None:
    """A label in the corpus, a file more, another backbone: the stage that reads it runs; the run cache knows both."""
    train, test = clone.path / "corpus/train.jsonl", clone.path / "corpus/test.jsonl"
    before, tested = train.read_text(encoding="utf-8"), test.read_text(encoding="utf-8")
    clone.run("dvc", "repro")
    assert "up to date" in clone.run("dvc", "repro")
    append(train, json.dumps({"text": "程千帆在北京教书。", "entities": []}, ensure_ascii=False) + "\n")
    assert "data/sources/corpus" in clone.run("dvc", "status")
    said = clone.run("dvc", "repro", "download")
    assert clone.stages_run(said) == ["download"]
    assert any("程千帆" in path.read_text(encoding="utf-8") for path in (clone.path / "data/corpus").glob("*.jsonl"))
    train.write_text(before, encoding="utf-8")
    test.unlink()
    assert clone.stages_run(clone.run("dvc", "repro", "download")) == ["download"]
    assert not (clone.path / "data/test/test.jsonl").exists()
    test.write_text(tested, encoding="utf-8")
    assert "is cached - skipping run" in clone.run("dvc", "repro", "download")
    config = clone.path / "backbone/README.md"
    config.write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    assert clone.stages_run(clone.run("dvc", "repro", "backbone")) == ["backbone"]
    config.unlink()
    clone.run("dvc", "repro")
    assert "up to date" in clone.run("dvc", "repro")


def test_pipeline_experiment_trains_what_changed_and_undone_comes_from_the_run_cache(clone: Clone) -> None:
    before = sha256(clone.path / "models/tagger/model.safetensors")
    changed = clone.run("dvc", "exp", "run", "-S", "train.lr=4e-5")
    assert clone.stages_run(changed) == ["fine_tune", "evaluate", "export"]
    assert sha256(clone.path / "models/tagger/model.safetensors") != before
    runs = clone.runs()
    assert {run.data.params["train.lr"] for run in runs} == {"0.001", "4e-05"}
    assert len({run.data.tags["clue_ner.fingerprint"] for run in runs}) == 2
    assert any("clue_ner.experiment" in run.data.tags for run in runs)
    assert "lr" in clone.run("dvc", "params", "diff")
    assert "micro.f1" in clone.run("dvc", "metrics", "show")
    clone.run("git", "checkout", "params.yaml")
    undone = clone.run("dvc", "repro")
    assert clone.stages_run(undone) == []
    assert "fine_tune' is cached" in undone
    assert sha256(clone.path / "models/tagger/model.safetensors") == before


def test_pipeline_wrong_param_is_refused_by_name(clone: Clone) -> None:
    refused = clone.run("dvc", "exp", "run", "-S", "train.lr=-1", ok=False)
    assert "train.lr" in refused and "greater than 0" in refused
    clone.run("git", "checkout", "params.yaml")


def test_pipeline_queued_experiment_runs_the_code_it_was_queued_with(clone: Clone) -> None:
    """The clone's src is on PYTHONPATH, as an editable install would have it: the stage must prefer its own tree."""
    clone.run("dvc", "checkout")
    clone.run("dvc", "exp", "run", "--queue", "--name", "queued", "-S", "tagging.window=128", "tokenize_align")
    module = clone.path / "src/clue_ner/alignment/encode.py"
    text = module.read_text(encoding="utf-8")
    changed = text.replace('"examples": places}', '"examples": places, "code": "changed"}')
    assert changed != text
    module.write_text(changed, encoding="utf-8")
    clone.run("dvc", "queue", "start")
    deadline = time.monotonic() + 240
    while "Success" not in (said := clone.run("dvc", "queue", "status")):
        assert "Failed" not in said and time.monotonic() < deadline, said
        time.sleep(1)
    clone.run("dvc", "queue", "stop", "--kill", ok=None)
    metrics = json.loads(read_file(clone.path, "queued", "metrics/alignment.json"))
    assert metrics["train"]["windows"] > 0
    assert "code" not in metrics["train"]
    assert clone.stages_run(clone.run("dvc", "repro", "tokenize_align")) == ["tokenize_align"]
    assert read_json(clone.path / "metrics/alignment.json")["train"]["code"] == "changed"
    clone.run("git", "checkout", "src", "metrics", "dvc.lock")


def test_pipeline_runs_without_an_activated_environment(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    (clone.path / ".venv").symlink_to(sys.prefix)
    bare = (folder for folder in os.defpath.split(os.pathsep) if not (Path(folder) / "clue-ner").exists())
    monkeypatch.setitem(clone.environment, "PATH", os.pathsep.join(bare))
    said = clone.run(str(clone.path / ".venv/bin/dvc"), "repro", "--force", "--single-item", "tag_map")
    assert clone.stages_run(said) == ["tag_map"]
