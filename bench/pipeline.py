"""Overhead of the pipeline: a `dvc repro` with nothing to do, interpreters and imports, ``--help``."""

import ast
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bench import clone, scaling
from bench.commands import BIN, Command, alternate, environment, run
from clue_ner.common.files import write_text

REPROS, STARTS = 5, 3
"""Number of repetitions of each command; the median is reported."""


def measure(root: Path, place: Path) -> dict[str, Any]:
    """Medians of seconds, the commands of a group in alternation; and tokenize_align's work on CLUENER's size."""
    variables = environment(root)
    repository, which = _up_to_date(root, place / "pipeline", variables)
    empty = _empty(place / "empty", variables)
    repros = {"pipeline": repository, "empty": empty}
    return {
        "which": which,
        "repro": alternate({n: partial(run, ["dvc", "repro"], at, variables) for n, at in repros.items()}, REPROS),
        "starts": alternate({n: partial(run, c, root, variables) for n, c in starts(root).items()}, STARTS),
        "tokenize_align": scaling.once(place, "tokenize_align", 1),
    }


def starts(root: Path) -> dict[str, Command]:
    """Commands that only start: the interpreter, each stage's imports, the command line's help."""
    stages = {path.stem: [sys.executable, "-c", imports(path)] for path in sorted((root / "stages").glob("*.py"))}
    script = BIN / "clue-ner"
    help_ = [str(script)] if script.exists() else [sys.executable, "-m", "clue_ner.cli.main"]
    return {"interpreter": [sys.executable, "-c", "pass"], **stages, "clue-ner --help": [*help_, "--help"]}


def imports(script: Path) -> str:
    """The import statements at the top of a script."""
    body = ast.parse(script.read_text(encoding="utf-8")).body
    return "\n".join(ast.unparse(node) for node in body if isinstance(node, ast.Import | ast.ImportFrom))


def _up_to_date(root: Path, place: Path, variables: Mapping[str, str]) -> tuple[Path, str]:
    """An up-to-date pipeline, and a description of it.

    The repository's own if `dvc status` finds nothing; else that of a clone on a tiny corpus, which is run first.
    """
    if (root / ".dvc").is_dir() and run(["dvc", "status", "--quiet"], root, variables, check=False).returncode == 0:
        return root, "all stages, in the repository"
    clone.run(clone.make(root, place, variables), variables)
    return place, "all stages, in a clone on a tiny corpus: the repository is not up to date"


def _empty(place: Path, variables: Mapping[str, str]) -> Path:
    """A pipeline of one stage that depends on an empty file, runs `true` and is up to date."""
    place.mkdir()
    write_text(place / "nothing", "")
    write_text(place / "dvc.yaml", "stages:\n  nothing:\n    cmd: 'true'\n    deps: [nothing]\n")
    for command in (["git", "init", "--quiet"], ["dvc", "init", "--quiet"], ["dvc", "repro"]):
        run(command, place, variables)
    return place
