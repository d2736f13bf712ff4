"""Two clones of the repository on one machine: the same bytes; and one MLflow server for both, where nothing mixes."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.clones import Clone, make_clone
from support.kills import results
from support.mlflow_servers import server
from support.tracking_repository import client, free_port, points, runs

from clue_ner.common.files import read_json

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]
TRAIN = {"epochs": 1, "precision": "float32"}


def test_clones_make_the_same_bytes(tmp_path: Path, fault: Any) -> None:
    fault("two clones, the same bytes")
    clones = [make_clone(tmp_path / place, train=TRAIN, export={"onnx": False}) for place in ("one", "else/where")]
    for clone, process in [(clone, clone.start("dvc", "repro")) for clone in clones]:
        assert process.wait(600) == 0, clone.said()
    first, second = (results(clone.path) for clone in clones)
    assert "models/tagger/model.safetensors" in first
    assert first == second
    locks = [(clone.path / "dvc.lock").read_bytes() for clone in clones]
    assert locks[0].count(b"models/tagger") == locks[1].count(b"models/tagger") > 0


def demonstrate(clone: Clone, uri: str, seed: int) -> "subprocess.Popen[str]":
    """``make demo`` in a clone, but with its tiny backbone, one epoch and this seed."""
    for file, old, new in (
        ("demo.py", '"backbone.name": "e5-small"', f'"backbone.name": {str(clone.path / "backbone")!r}'),
        ("experiments/recipes.py", '"train.epochs": 5', '"train.epochs": 1'),
    ):
        code = clone.path / "src/clue_ner" / file
        text = code.read_text()
        assert old in text
        code.write_text(text.replace(old, new))
    params = clone.path / "params.yaml"
    text = params.read_text()
    assert "seed: 1\n" in text
    params.write_text(text.replace("seed: 1\n", f"seed: {seed}\n"))
    clone.environment["MLFLOW_TRACKING_URI"] = uri
    return clone.start("python", "-m", "clue_ner.demo")


def test_clones_demos_share_a_server(tmp_path: Path, fault: Any) -> None:
    fault("two demos at once, one MLflow server")
    store, port = tmp_path / "store", free_port()
    store.mkdir()
    uri = f"http://127.0.0.1:{port}"
    clones = {seed: make_clone(tmp_path / f"clone-{seed}", export={"onnx": False}) for seed in (1, 2)}
    with server(store, port):
        processes = {seed: demonstrate(clone, uri, seed) for seed, clone in clones.items()}
        for seed, process in processes.items():
            assert process.wait(600) == 0, clones[seed].said()
        for clone in clones.values():
            assert "database is locked" not in clone.said()
            clone.run("clue-ner", "sync")
        found = runs(client(uri))
        assert sorted(run.data.params["seed"] for run in found) == ["1", "2"]
        for run in found:
            clone = clones[int(run.data.params["seed"])]
            (epoch,) = read_json(clone.path / "demo/metrics/train.json")["epochs"]
            scores = read_json(clone.path / "demo/metrics/evaluate.json")
            assert "failed" not in clone.run("dvc", "--cd", "demo", "plots", "show")
            logged = points(client(uri), run)
            assert run.info.status == "FINISHED"
            assert [step for step, _ in logged["train/loss"]] == [1]
            assert logged["train/loss"][0][1] == pytest.approx(epoch["loss"], rel=1e-5)
            assert [value for _, value in logged["test/micro_f1"]] == pytest.approx([scores["micro"]["f1"]], abs=1e-6)
            tagger = read_json(clone.path / "demo/models/tagger/tagger.json")
            assert run.data.tags["clue_ner.fingerprint"] == tagger["trained"]["fingerprint"]
        versions = client(uri).search_model_versions("name='clue-ner-demo'")
        assert {version.run_id for version in versions} == {run.info.run_id for run in found}
        assert len(versions) == 2
