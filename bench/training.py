"""Three recipes side by side: each in a process of its own, one computing at a time, turn by turn."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch

from bench.inputs import ROOT
from bench.recipes import RECIPES

TURNS = 8
"""The turns that share the seconds of a recipe; after each its F1 is taken."""


class Worker:
    """A recipe's process: ask it, and it answers."""

    def __init__(self, process: Any, log: Any) -> None:
        self.process, self.log = process, log

    def ask(self, **command: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self) -> dict[str, Any]:
        """The next line; RuntimeError with the end of what the process wrote to stderr if there is none."""
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            raise RuntimeError(f"a recipe ended early:\n{self.log.read()[-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def worker(recipe: str, place: Path) -> AbstractContextManager[Worker]:
    """A process for ``recipe`` in ``place``, with as many threads as this one; it ends with the block."""
    environment = {"OMP_NUM_THREADS": str(torch.get_num_threads()), **os.environ}
    return started(["bench.worker", recipe, str(place)], environment)


@contextlib.contextmanager
def started(arguments: Sequence[str], environment: Mapping[str, str]) -> Iterator[Worker]:
    """The process ``python -m ARGUMENTS``, which answers commands in JSON lines; it ends with the block."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=ROOT,
            text=True,
            env=environment,
        )
        try:
            yield Worker(process, log)
        finally:
            process.kill()
            process.communicate()


def measure(place: Path, seconds: float, target: float, recipes: Sequence[str] = tuple(RECIPES)) -> dict[str, Any]:
    """Train each recipe for ``seconds``, in turns: how fast each was; ``target`` is the F1 to be reached."""
    with contextlib.ExitStack() as stack:
        workers, known = {}, {}
        for name in recipes:
            workers[name] = stack.enter_context(worker(name, place))
            known[name] = workers[name].answer()
        turns: dict[str, list[dict[str, Any]]] = {name: [] for name in recipes}
        for _ in range(TURNS):
            for name, each in workers.items():
                if turns[name] and turns[name][-1]["ended"]:
                    continue
                turn = each.ask(do="train", seconds=seconds / TURNS, steps=sys.maxsize)
                turns[name].append(turn | each.ask(do="evaluate"))
    measured = {name: summary(known[name], turns[name], target) for name in recipes}
    return {"seconds": seconds, "target_f1": target, "recipes": measured}


def summary(known: dict[str, Any], turns: Sequence[dict[str, Any]], target: float) -> dict[str, Any]:
    """The turns of a recipe as rates; ``curve`` is [seconds of training, F1], the warm-up's seconds included.

    FLOPs are 6 × the elements of the matrices × the tokens that they see, padding included (2 × where frozen).
    """
    names = ("timed_seconds", "timed_steps", "characters", "tokens", "padded_tokens", "padded_units")
    sums = {name: sum(turn.get(name, 0) for turn in turns) for name in names}
    curve, passed = [], 0.0
    for turn in turns:
        passed += turn["seconds"]
        curve.append([passed, turn["f1"]])
    seconds, steps = sums["timed_seconds"], sums["timed_steps"]
    flops = known["token_flops"] * sums["padded_tokens"] + known["unit_flops"] * sums["padded_units"]
    return {
        "number_format": known["number_format"],
        "trained_parameters": known["trained_parameters"],
        "steps": sum(turn["steps"] for turn in turns),
        "ended": turns[-1]["ended"],
        "timed_steps": steps,
        "characters_per_second": rate(sums["characters"], seconds),
        "tokens_per_second": rate(sums["tokens"], seconds),
        "seconds_per_step": rate(seconds, steps),
        "tokens_per_step": rate(sums["padded_tokens"], steps),
        "padded_share": 1 - rate(sums["tokens"], sums["padded_tokens"]),
        "flops_per_second": rate(flops, seconds),
        "peak_memory_gb": max(turn["memory_gb"] for turn in turns),
        "curve": curve,
        "seconds_to_target": next((at for at, f1 in curve if f1 >= target), None),
    }


def rate(amount: float, per: float) -> float:
    """How much of ``amount`` there is for each ``per``; 0 for none of that."""
    return amount / per if per else 0.0
