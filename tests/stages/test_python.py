"""stages/python: which interpreter a stage runs with, and that it runs the code of its own tree first."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.places import ROOT

SCRIPT = ROOT / "stages/python"
STUB = """#!/bin/sh
echo "$0"
echo "$PYTHONPATH"
for argument; do echo "argument: $argument"; done
exit 3
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A pipeline's root that has the script, and no environment."""
    (tmp_path / "tree/stages").mkdir(parents=True)
    shutil.copy(SCRIPT, tmp_path / "tree/stages/python")
    return tmp_path / "tree"


def stub(path: Path) -> Path:
    """An interpreter that prints its own path, PYTHONPATH and its arguments."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(STUB)
    path.chmod(0o755)
    return path


def tools(folder: Path) -> Path:
    """A folder for PATH with what the script itself needs, and no Python."""
    folder.mkdir()
    for name in ("sh", "dirname"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return folder


def run(tree: Path, path: list[Path], *arguments: str, **environment: str) -> list[str]:
    """Run the script as dvc.yaml does; what the chosen interpreter printed."""
    done = subprocess.run(
        ["/bin/sh", "stages/python", *(arguments or ("stages/export.py",))],
        cwd=tree,
        env={"PATH": os.pathsep.join(map(str, path)), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (3, ""), done.stderr
    return done.stdout.splitlines()


def test_python_is_the_one_beside_clue_ner_on_path(tree: Path, tmp_path: Path) -> None:
    own = stub(tmp_path / "environment/bin/python")
    stub(tmp_path / "environment/bin/clue-ner")
    path = [stub(tmp_path / "first/python3").parent, own.parent, tools(tmp_path / "tools")]
    stub(tmp_path / "first/python")
    stub(tree / ".venv/bin/python")
    found = run(tree, path, CLUE_NER_HOME=str(tree), DVC_ROOT=str(tree))
    assert found[0] == str(own)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({"CLUE_NER_HOME": "home", "DVC_ROOT": "dvc"}, "home"),
        ({"CLUE_NER_HOME": "", "DVC_ROOT": "dvc"}, "dvc"),
        ({"DVC_ROOT": "dvc"}, "dvc"),
        ({}, "tree"),
    ],
)
def test_python_without_clue_ner_is_that_of_the_repository_s_venv(
    tree: Path, tmp_path: Path, named: dict[str, str], expected: str
) -> None:
    for name in ("home", "dvc", "tree"):
        stub(tmp_path / name / ".venv/bin/python")
    path = [stub(tmp_path / "system/python3").parent, tools(tmp_path / "tools")]
    environment = {name: str(tmp_path / place) if place else "" for name, place in named.items()}
    (interpreter, *_) = run(tree, path, **environment)
    assert (tree / interpreter).resolve() == tmp_path / expected / ".venv/bin/python"


def test_python_without_any_environment_is_python3_on_path(tree: Path, tmp_path: Path) -> None:
    system = stub(tmp_path / "system/python3")
    stub(tmp_path / "system/python")
    assert run(tree, [system.parent, tools(tmp_path / "tools")])[0] == str(system)


def test_python_is_not_that_of_a_clue_ner_without_one(tree: Path, tmp_path: Path) -> None:
    """``pipx`` and ``uv tool`` put only the command into a folder of PATH."""
    commands = stub(tmp_path / "commands/clue-ner").parent
    system = stub(tmp_path / "system/python3")
    assert run(tree, [commands, system.parent, tools(tmp_path / "tools")])[0] == str(system)
    own = stub(tree / ".venv/bin/python")
    assert (tree / run(tree, [commands, system.parent, tmp_path / "tools"])[0]).resolve() == own


def test_python_puts_the_tree_s_own_code_first(tree: Path, tmp_path: Path) -> None:
    system = stub(tmp_path / "system/python3").parent
    found = run(tree, [system, tools(tmp_path / "tools")], PYTHONPATH="/somewhere/else")
    assert found[1].split(os.pathsep)[0] == "src"


def test_python_passes_arguments_and_the_exit_status_on(tree: Path, tmp_path: Path) -> None:
    system = stub(tmp_path / "system/python3").parent
    found = run(tree, [system, tools(tmp_path / "tools")], "stages/x y.py", "--name", "*")
    assert found[2:] == ["argument: stages/x y.py", "argument: --name", "argument: *"]


def test_python_runs_the_tree_s_package_and_not_the_installed_one(tree: Path) -> None:
    """With the real interpreter of these tests, whose environment has clue-ner installed."""
    (tree / "src/clue_ner").mkdir(parents=True)
    (tree / "src/clue_ner/__init__.py").write_text("")
    (tree / "stages/where.py").write_text("import clue_ner; print(clue_ner.__file__)")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/sh", "stages/python", "stages/where.py"],
        cwd=tree,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (tree / done.stdout.strip()).resolve() == tree / "src/clue_ner/__init__.py"
