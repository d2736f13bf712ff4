import subprocess
import sys
from pathlib import Path

import pytest

from bench import pipeline
from bench.commands import environment, run
from bench.inputs import ROOT


def test_imports_are_those_at_the_top_of_a_script(tmp_path: Path) -> None:
    script = tmp_path / "stage.py"
    script.write_text('"""Text."""\nimport json\nfrom pathlib import Path\n\ndef main():\n    import torch\n')
    assert pipeline.imports(script) == "import json\nfrom pathlib import Path"


def test_starts_are_of_the_interpreter_each_stage_and_the_command_line() -> None:
    starts = pipeline.starts(ROOT)
    stages = {path.stem for path in (ROOT / "stages").glob("*.py")}
    assert starts.keys() == {"interpreter", *stages, "clue-ner --help"}
    assert starts["tag_map"][:2] == [sys.executable, "-c"] and "tag_map" in starts["tag_map"][2]
    shown = subprocess.run(starts["clue-ner --help"], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "tag" in shown.stdout


def test_up_to_date_repository_is_measured_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dvc").mkdir()
    asked = []

    def answer(command: list[str], folder: Path, variables: dict[str, str], check: bool) -> object:
        asked.append((command, folder))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(pipeline, "run", answer)
    where, which = pipeline._up_to_date(tmp_path, tmp_path / "clone", {})
    assert (where, which) == (tmp_path, "all stages, in the repository")
    assert asked == [(["dvc", "status", "--quiet"], tmp_path)]


def test_clone_is_measured_after_a_run_if_the_repository_is_not_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".dvc").mkdir()
    done = []
    monkeypatch.setattr(pipeline, "run", lambda command, *_, **__: subprocess.CompletedProcess(command, 1))
    monkeypatch.setattr(pipeline.clone, "make", lambda root, place, variables: done.append(("make", root)) or place)
    monkeypatch.setattr(pipeline.clone, "run", lambda clone, variables: done.append(("run", clone)))
    where, which = pipeline._up_to_date(tmp_path, tmp_path / "clone", {})
    assert where == tmp_path / "clone" and "the repository is not up to date" in which
    assert done == [("make", tmp_path), ("run", tmp_path / "clone")]


def test_empty_pipeline_has_nothing_to_do(tmp_path: Path) -> None:
    variables = environment(ROOT)
    again = run(["dvc", "repro"], pipeline._empty(tmp_path / "empty", variables), variables).stdout
    assert again.count("didn't change, skipping") == 1 and "Running" not in again
