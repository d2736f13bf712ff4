"""One recipe in a process of its own: it trains on command and answers what it did, in JSON lines.

Commands are ``{"do": "train", "seconds": S, "steps": N}`` (until one of the two is over), ``{"do": "evaluate"}`` and
``{"do": "stop"}``. Between two commands the process waits inside its training loop and computes nothing.
"""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.machine import clock
from bench.memory import peak_memory_gb

WARM_UP = 3
"""The first steps allocate memory and start threads; they train, and are not timed."""


class Stopped(Exception):
    """The parent wants no more, or is gone."""


class Turns:
    """A training loop's conversation with the parent; the loop calls ``ready``, ``count``, ``step`` and ``finish``."""

    def __init__(self, commands: Iterator[str], answer: Callable[[dict[str, Any]], None]) -> None:
        self.commands, self.answer = commands, answer
        self.evaluate: Callable[[], float] = lambda: 0.0
        self.steps = 0
        self._wanted: dict[str, Any] = {}
        self._begun = self._timed_from = 0.0
        self._first = 0
        self._counts: Counter[str] = Counter()
        self._timed_steps = 0

    def ready(self, facts: dict[str, Any], evaluate: Callable[[], float]) -> None:
        """Everything is loaded; wait for a command. ``evaluate`` gives the model's F1 and leaves it training."""
        self.evaluate = evaluate
        self.answer({"ready": True, **facts})
        self._converse()

    def count(self, **amounts: Any) -> None:
        """What the batch of this step holds: characters, tokens, padded_tokens, padded_units; numbers or tensors."""
        self._counts.update(amounts)

    def step(self) -> None:
        """A step is done; if the turn is over, answer and wait."""
        self.steps += 1
        self._timed_steps += 1
        if self.steps == WARM_UP:
            self._begin_timing()
        if (
            time.perf_counter() - self._begun >= self._wanted["seconds"]
            or self.steps - self._first >= self._wanted["steps"]
        ):
            self._report(ended=False)
            self._converse()

    def finish(self) -> None:
        """The training as a whole has come to its end; there are no steps left to give."""
        self._report(ended=True)
        while True:
            self._converse()
            self._report(ended=True)

    def _report(self, ended: bool) -> None:
        now = clock()
        timed = self.steps >= WARM_UP
        seconds = {"seconds": now - self._begun, "timed_seconds": now - self._timed_from if timed else 0.0}
        steps = {"steps": self.steps - self._first, "timed_steps": self._timed_steps if timed else 0}
        counts = {name: int(amount) if timed else 0 for name, amount in self._counts.items()}
        self.answer({"ended": ended, "memory_gb": peak_memory_gb(), **seconds, **steps, **counts})

    def _converse(self) -> None:
        """Answer commands until one to train."""
        for line in self.commands:
            command = json.loads(line)
            if command["do"] == "evaluate":
                self.answer({"f1": self.evaluate()})
            elif command["do"] == "train":
                self._wanted, self._first = command, self.steps
                self._begin_timing()
                self._begun = self._timed_from
                return
            else:
                break
        raise Stopped

    def _begin_timing(self) -> None:
        self._timed_from, self._timed_steps = clock(), 0
        self._counts = Counter(dict.fromkeys(self._counts, 0))


def main(recipe: str, place: str) -> None:
    """Serve ``recipe`` on stdin and stdout; whatever libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    from transformers.utils.logging import disable_progress_bar

    from bench.recipes import RECIPES, Setting

    disable_progress_bar()
    try:
        RECIPES[recipe].run(Setting(Path(place)), Turns(iter(sys.stdin), answer))
    except Stopped:
        answer({"stopped": True})


if __name__ == "__main__":
    from clue_ner.common.stage import prepare

    prepare()
    main(*sys.argv[1:])
