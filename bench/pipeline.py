"""What the pipeline costs around the work: a `dvc repro` with nothing to do, interpreters and imports, ``--help``."""

import ast
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench import scaling
from bench.inputs import STAGES
from clue_ner.core.files import write_text
from clue_ner.demo import prepare

REPROS, STARTS = 5, 3
"""How often each command is timed; the median is given."""
BIN = Path(sys.executable).parent

Command = Sequence[str]


def measure(root: Path, place: Path) -> dict[str, Any]:
    """Medians of seconds, the commands of a group in alternation; and tokenize_align alone on CLUENER's size."""
    environment = _environment(root)
    repository, targets, which = _up_to_date(root, place / "pipeline", environment)
    empty = _empty(place / "empty", environment, in_git=repository == root)
    repros = _alternate(
        {
            "pipeline": lambda: _run(["dvc", "repro", *targets], repository, environment),
            "empty": lambda: _run(["dvc", "repro"], empty, environment),
        },
        REPROS,
    )
    return {
        "which": which,
        "repro": repros,
        "starts": _alternate({n: _timed(c, root, environment) for n, c in commands(root).items()}, STARTS),
        "tokenize_align": scaling.once(place, "tokenize_align", 1),
    }


def commands(root: Path) -> dict[str, Command]:
    """Commands that do nothing but start: the interpreter, each stage's imports, the command line's help."""
    stages = {path.stem: [sys.executable, "-c", imports(path)] for path in sorted((root / "stages").glob("*.py"))}
    script = BIN / "clue-ner"
    help_ = [str(script)] if script.exists() else [sys.executable, "-m", "clue_ner.cli.main"]
    return {"interpreter": [sys.executable, "-c", "pass"], **stages, "clue-ner --help": [*help_, "--help"]}


def imports(script: Path) -> str:
    """The import statements at the top of a script."""
    body = ast.parse(script.read_text(encoding="utf-8")).body
    return "\n".join(ast.unparse(node) for node in body if isinstance(node, ast.Import | ast.ImportFrom))


def _up_to_date(root: Path, place: Path, environment: Mapping[str, str]) -> tuple[Path, list[str], str]:
    """A pipeline in which nothing is to be done, the targets to ask it for, and which it is.

    The repository's own if `dvc status` finds nothing; else its data stages on the sample corpus, run in ``place``.
    """
    if (root / ".dvc").is_dir():
        status = _run(["dvc", "status", "--quiet"], root, environment, check=False)
        if status.returncode == 0:
            return root, [], "all seven stages, in the repository"
    prepare(root, place)
    _run(["dvc", "init", "--no-scm", "--quiet", "--force"], place, environment)
    targets = [list(STAGES)[-1]]
    _run(["dvc", "repro", *targets], place, environment)
    return place, targets, "the stages up to tokenize_align on the sample corpus: the repository is not up to date"


def _empty(place: Path, environment: Mapping[str, str], in_git: bool) -> Path:
    """A pipeline of one stage that depends on an empty file, runs `true` and is up to date."""
    place.mkdir()
    write_text(place / "nothing", "")
    write_text(place / "dvc.yaml", "stages:\n  nothing:\n    cmd: 'true'\n    deps: [nothing]\n")
    if in_git:
        _run(["git", "init", "--quiet"], place, environment)
    _run(["dvc", "init", "--quiet", *([] if in_git else ["--no-scm"])], place, environment)
    _run(["dvc", "repro"], place, environment)
    return place


def _alternate(actions: Mapping[str, Callable[[], Any]], times: int) -> dict[str, float]:
    """The median of seconds of each action, all of them once, then all again."""
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(times):
        for name, act in actions.items():
            started = time.perf_counter()
            act()
            seconds[name].append(time.perf_counter() - started)
    return {name: median(each) for name, each in seconds.items()}


def _timed(command: Command, folder: Path, environment: Mapping[str, str]) -> Callable[[], Any]:
    return lambda: _run(command, folder, environment)


def _run(
    command: Command, folder: Path, environment: Mapping[str, str], check: bool = True
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done


def _environment(root: Path) -> dict[str, str]:
    search = os.pathsep.join([str(BIN), os.environ.get("PATH", "")])
    if shutil.which("dvc", path=search) is None:
        raise RuntimeError("no dvc; run `make setup`")
    return {**os.environ, "PATH": search, "PYTHONPATH": str(root / "src"), "DVC_NO_ANALYTICS": "1"}
