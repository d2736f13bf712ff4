import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bench import clone, commands, overhead
from bench.inputs import ROOT


def test_measure_times_new_clones_in_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, done = [0.0], list[tuple[str, ...]]()
    seconds = {"pipeline": iter([50.0, 20.0, 30.0]), overhead.IMPORT: iter([4.0, 9.0, 5.0])}

    def make(root: Path, place: Path, variables: dict[str, str]) -> Path:
        shutil.copytree(ROOT / "stages", place / "stages")
        shutil.copy(ROOT / "dvc.yaml", place)
        (place / "params.yaml").write_text("as committed")
        now[0] += 1000
        return place

    def pipeline(folder: Path, variables: dict[str, str]) -> None:
        assert (folder / "params.yaml").read_text() == "as committed"
        (folder / "params.yaml").write_text("as run")
        done.append(("pipeline",))
        now[0] += next(seconds["pipeline"])

    def run(command: list[str], folder: Path, variables: dict[str, str]) -> None:
        if command[-1] == overhead.IMPORT:
            now[0] += next(seconds[overhead.IMPORT])
        elif command[0] == "stages/python":
            assert (folder / "params.yaml").read_text() == "as run"
            assert not list(folder.glob("metrics")), "a clone of its own"
            now[0] += {"stages/tag_map.py": 0.5}.get(command[1], 2.0)
        else:
            now[0] += 0.25
        done.append(tuple(command))

    monkeypatch.setattr(clone, "make", make)
    monkeypatch.setattr(clone, "run", pipeline)
    monkeypatch.setattr(commands, "run", run)
    monkeypatch.setattr(commands.time, "perf_counter", lambda: now[0])
    measured = overhead.measure(ROOT, tmp_path)
    assert (measured["pipeline"], measured["import"], measured["ratio"]) == (30.0, 5.0, 6.0)
    assert list(measured["stages"]) == clone.stages(ROOT)
    assert measured["stages"]["tag_map"] == {"process": 0.5, "imports": 0.25}
    assert measured["stages"]["export"] == {"process": 2.0, "imports": 0.25}
    a_turn = len(done) // overhead.TIMES
    assert a_turn == 2 + 2 * len(clone.stages(ROOT))
    assert [command for command in done if command[0] == "pipeline"] == done[::a_turn]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_measure_runs_every_stage_twice_for_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once through DVC, after which nothing is to be done, and once without: the same scores, a run, a version."""
    import mlflow

    found, again = list[dict[str, Any]](), list[str]()

    def look(folder: Path, *others: Any, **named: Any) -> None:
        if Path(folder).name in ("piped-0", "by-hand-0"):
            scores = json.loads((folder / "metrics/evaluate.json").read_text())
            client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
            runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
            if Path(folder).name == "piped-0":
                again.append(commands.run(["dvc", "repro"], folder, commands.environment(folder)).stdout)
            found.append({"scores": scores, "runs": len(runs), "versions": len(client.search_model_versions())})
        real(folder, *others, **named)

    real = shutil.rmtree
    monkeypatch.setattr(overhead.shutil, "rmtree", look)
    monkeypatch.setattr(overhead, "TIMES", 1)
    measured = overhead.measure(ROOT, tmp_path)
    assert measured["ratio"] == measured["pipeline"] / measured["import"]
    assert list(measured["stages"]) == clone.stages(ROOT)
    piped, by_hand = found
    assert piped == by_hand
    assert again[0].count("didn't change, skipping") == len(clone.stages(ROOT)) and "Running" not in again[0]
    assert (piped["scores"]["sentences"], piped["runs"], piped["versions"]) == (2, 1, 1)
