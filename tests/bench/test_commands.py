import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import commands


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in a list, for the test to move on."""
    now = [100.0]
    monkeypatch.setattr(commands.time, "perf_counter", lambda: now[0])
    return now


def test_alternate_takes_turns_and_gives_medians(clock: list[float]) -> None:
    done: list[str] = []
    takes = {"a": iter([9.0, 1.0, 3.0]), "b": iter([2.0, 2.0, 8.0])}

    def action(name: str, seconds: Iterator[float]) -> None:
        done.append(name)
        clock[0] += next(seconds)

    medians = commands.alternate({name: lambda n=name, s=each: action(n, s) for name, each in takes.items()}, 3)
    assert done == ["a", "b"] * 3
    assert medians == {"a": 3.0, "b": 2.0}


def test_environment_leads_to_no_other_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI", "CLUE_NER_HOME", "GIT_DIR"):
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("CLUENER_MIRROR", "kept")
    found = commands.environment(Path("/repository"))
    assert "elsewhere" not in found.values() and found["CLUENER_MIRROR"] == "kept"
    assert found["PYTHONPATH"] == "/repository/src"
    assert found["PATH"].startswith(str(Path(sys.executable).parent))


def test_environment_refuses_a_python_without_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands.shutil, "which", lambda name, path: None)
    with pytest.raises(RuntimeError, match="make setup"):
        commands.environment(Path())


def test_run_shows_the_end_of_what_a_failed_command_wrote(tmp_path: Path) -> None:
    code = "import sys; print('x' * 5000 + 'out'); print('y' * 5000 + 'err', file=sys.stderr); sys.exit(3)"
    failing = [sys.executable, "-c", code]
    with pytest.raises(RuntimeError, match="xout\n") as caught:
        commands.run(failing, tmp_path, {})
    assert str(caught.value).rstrip().endswith("yerr") and len(str(caught.value)) < 4000
    assert commands.run(failing, tmp_path, {}, check=False).returncode == 3
    here = commands.run([sys.executable, "-c", "import os; print(os.getcwd())"], tmp_path, {})
    assert here.stdout.strip() == str(tmp_path.resolve())
