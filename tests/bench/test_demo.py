import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench import demo


def test_demo_of_a_command_that_fails_says_its_words(tmp_path: Path) -> None:
    (tmp_path / "src/clue_ner").mkdir(parents=True)
    (tmp_path / "src/clue_ner/__init__.py").touch()
    (tmp_path / "src/clue_ner/demo.py").write_text("raise SystemExit('no space left')")
    with pytest.raises(RuntimeError, match="no space left"):
        demo.run(tmp_path, {"PATH": "/usr/bin:/bin", "PYTHONPATH": "src"})


def test_demo_is_run_anew_for_each_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a repository whose demo prints as the real one does, and scores with its seed."""
    root = tmp_path / "root"
    (root / "src/clue_ner").mkdir(parents=True)
    (root / "params.yaml").write_text("seed: 1\ntrain: {}\n")
    (root / "src/clue_ner/__init__.py").touch()
    (root / "src/clue_ner/demo.py").write_text(
        "import json, pathlib\n"
        "seed = int(pathlib.Path('params.yaml').read_text().split()[1])\n"
        "pathlib.Path('demo/metrics').mkdir(parents=True)\n"
        "pathlib.Path('demo/metrics/evaluate.json').write_text(json.dumps({'micro': {'f1': seed / 10}}))\n"
        "print('stage fine_tune\\nstage evaluate\\n Test scores: 1')\n"
    )
    subprocess.run(shlex.split("git init --quiet"), cwd=root, check=True)
    monkeypatch.setattr(
        demo.commands, "environment", lambda root: {"PATH": "/usr/bin:/bin", "PYTHONPATH": "src", "HOME": str(tmp_path)}
    )
    measured = demo.measure(root, tmp_path)
    assert measured["micro_f1"] == [0.1, 0.2, 0.3]
    assert list(measured["seconds"]) == ["fine_tune", "evaluate", "start and end", "all"]


@pytest.mark.parametrize(("whole", "f1", "said"), [(135.0, 0.83, ["met", "met"]), (135.1, 0.82, ["missed", "missed"])])
def test_table_has_shares_and_goals(whole: float, f1: float, said: list[str]) -> None:
    seconds: dict[str, Any] = {"fine_tune": whole / 2, demo.REST: whole / 2, "all": whole}
    table = demo.table({"seconds": seconds, "micro_f1": [f1, f1 - 0.01, f1 + 0.01]})
    assert [row[:2] for row in table.rows] == [["fine_tune", "50 %"], [demo.REST, "50 %"], ["all", "100 %"]]
    assert [note.rsplit(": ", 1)[1] for note in table.notes[1:]] == [f"{word}." for word in said]
