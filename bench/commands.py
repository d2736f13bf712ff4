"""Commands in separate processes, and their time."""

import os
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

BIN = Path(sys.executable).parent
FOREIGN = ("DVC_", "MLFLOW_", "CLUE_NER_", "GIT_")
"""Prefixes of variables that would direct a command to another repository or store."""

Command = Sequence[str]


class Stopwatch:
    """Records the seconds of each run of a named action."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def timing(self, name: str) -> Iterator[None]:
        """Time the block."""
        started = time.perf_counter()
        yield
        self.seconds[name].append(time.perf_counter() - started)

    def medians(self) -> dict[str, float]:
        """The median of each name, in order of first use."""
        return {name: median(each) for name, each in self.seconds.items()}


def alternate(actions: Mapping[str, Callable[[], Any]], times: int) -> dict[str, float]:
    """The median seconds of each action; the actions run in alternation."""
    watch = Stopwatch()
    for _ in range(times):
        for name, act in actions.items():
            with watch.timing(name):
                act()
    return watch.medians()


def environment(root: Path) -> dict[str, str]:
    """This process's environment with its Python's commands and ``root``'s code first; RuntimeError without DVC."""
    search = os.pathsep.join([str(BIN), os.environ.get("PATH", "")])
    if shutil.which("dvc", path=search) is None:
        raise RuntimeError("no dvc; run `make setup`")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, "PATH": search, "PYTHONPATH": str(root / "src"), "DVC_NO_ANALYTICS": "1"}


def run(command: Command, folder: Path, variables: Mapping[str, str], check: bool = True) -> Any:
    """A command in ``folder``, its output kept; RuntimeError with the end of it if ``check`` finds that it failed."""
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done
