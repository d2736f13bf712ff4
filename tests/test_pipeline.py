"""All stages through DVC in a clone of its own: a tiny corpus, a tiny random BERT, real commands."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
import yaml

from clue_ner.artifacts import read_json, read_sentences, sha256
from clue_ner.tagger import Tagger
from tests import tiny_backbones

ROOT = Path(__file__).parents[1]
CHANGES = {
    "corpus": {"name": "jsonl", "path": "corpus", "valid_fraction": 0.2},
    "backbone": {"name": "./backbone/"},
    "train": {"epochs": 2, "lr": 1e-3, "context_size": 16},
    "evaluate": {"bootstrap": 100},
}
STAGES = ["download", "backbone", "tag_map", "tokenize_align", "fine_tune", "evaluate", "export"]


class Clone:
    """A repository in which commands are run as a person would."""

    def __init__(self, path: Path) -> None:
        self.path = path
        dropped = ("DVC_", "MLFLOW_", "CLUE", "GIT_")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        self.environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment["OMP_NUM_THREADS"] = "1"

    def run(self, *command: str, ok: bool = True) -> str:
        done = subprocess.run(command, cwd=self.path, env=self.environment, capture_output=True, text=True, timeout=280)
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done.stdout + done.stderr

    def stages_run(self, output: str) -> list[str]:
        return [stage for stage in STAGES if f"Running stage '{stage}'" in output]

    def runs(self) -> list[mlflow.entities.Run]:
        client = mlflow.MlflowClient(f"sqlite:///{self.path}/mlflow.db")
        experiments = [e.experiment_id for e in client.search_experiments() if e.name == "clue-ner"]
        return list(client.search_runs(experiments))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    path = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "metrics/", "plots/", "dvc.lock")):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes((ROOT / name).read_bytes())
    tiny_backbones.unigram(path / "backbone")
    write_corpus(path / "corpus")
    params = yaml.safe_load((path / "params.yaml").read_text())
    for section, values in CHANGES.items():
        params[section].update(values)
    (path / "params.yaml").write_text(yaml.safe_dump(params))
    made = Clone(path)
    for command in (
        ("init", "--quiet"),
        ("add", "--all", "--force"),
        ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "all"),
    ):
        made.run("git", *command)
    yield made


def write_corpus(folder: Path) -> None:
    folder.mkdir()
    people, places = ("黄飞鸿", "王德发", "晓明", "晓艳"), ("北京", "佛山", "上海", "广东")
    for split, forms in (
        ("train", ("我是{p}，目前住在{q}。", "{p}在{q}看电影", "{q}的新经理说{p}高")),
        ("test", ("{p}一起住在{q}",)),
    ):
        lines = []
        for person, place, form in itertools.product(people, places, forms):
            text = form.format(p=person, q=place)
            found = [("name", person), ("address", place)]
            entities = [{"type": t, "start": text.index(s), "end": text.index(s) + len(s), "text": s} for t, s in found]
            lines.append(json.dumps({"text": text, "entities": entities}, ensure_ascii=False))
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


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
    versions = mlflow.MlflowClient(f"sqlite:///{clone.path}/mlflow.db").search_model_versions("name='clue-ner'")
    assert len(versions) == 1

    sentences = read_sentences(clone.path / "data/corpus/test.jsonl")
    tagger = Tagger.load(clone.path / "models/export")
    for sentence, entities in zip(sentences, tagger.tag([s.text for s in sentences])):
        for entity in entities:
            assert 0 <= entity.start < entity.end <= len(sentence.text)
    again = [json.loads(line) for line in (clone.path / "data/predictions/test.jsonl").read_text().splitlines()]
    assert [row["text"] for row in again] == [sentence.text for sentence in sentences]

    clone.run("git", "add", "dvc.lock", "metrics", "plots")
    clone.run("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "ran")
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
