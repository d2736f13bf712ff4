"""A tagger in a separate process, which tags on command and reports the time, in JSON lines.

``python -m bench.light_worker MODEL TEXTS RUNTIME…``: TEXTS is a file with a JSON list. Commands are
``{"do": "bulk", "runtime": R}`` and ``{"do": "single", "runtime": R, "start": S, "end": E}``, end exclusive.

It imports ``clue_ner`` from PYTHONPATH, and uses of it only what commit 3ec9ba5 has too.
"""

import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

BATCH, WARM_UP = 64, 8
"""Windows of a batch, at most; texts that are tagged before those whose seconds are taken."""


class Timed:
    """A runtime, and the seconds that it has computed."""

    def __init__(self, runtime: Any) -> None:
        self.runtime, self.seconds = runtime, 0.0

    @property
    def batch_tokens(self) -> float:
        """As of the runtime; 3ec9ba5 asks for none."""
        tokens: float = self.runtime.batch_tokens
        return tokens

    @property
    def batch_padding(self) -> float:
        """As of the runtime."""
        padding: float = self.runtime.batch_padding
        return padding

    def __call__(self, batch: Any) -> Any:
        """The runtime's logits."""
        started = time.perf_counter()
        logits = self.runtime(batch)
        self.seconds += time.perf_counter() - started
        return logits


class Worker:
    """Taggers of one model, by runtime, and the texts that they tag."""

    def __init__(self, model: str, texts: Sequence[str], runtimes: Iterable[str]) -> None:
        """Load each, and let it tag a few of the texts."""
        from clue_ner import Tagger

        self.texts = texts
        self.taggers: dict[str, tuple[Any, Timed]] = {}
        for name in runtimes:
            tagger: Any = Tagger.load(model, runtime=name)
            timed = Timed(tagger.runtime if hasattr(tagger, "runtime") else tagger._score)
            self.taggers[name] = tagger.using(timed), timed
            self.taggers[name][0].tag(texts[:WARM_UP], BATCH)

    def bulk(self, runtime: str) -> dict[str, Any]:
        """Tag all texts at once: the seconds, those of them that the runtime computed, and the CPU's."""
        tagger, timed = self.taggers[runtime]
        before, started, cpu = timed.seconds, time.perf_counter(), time.process_time()
        tagger.tag(self.texts, BATCH)
        return {
            "seconds": time.perf_counter() - started,
            "network_seconds": timed.seconds - before,
            "cpu_seconds": time.process_time() - cpu,
        }

    def single(self, runtime: str, start: int, end: int) -> dict[str, Any]:
        """Tag the texts from ``start`` to ``end`` one by one: the seconds of each.

        A few others come first: threads that have slept through the other side's turn are slow to start.
        """
        tagger, _ = self.taggers[runtime]
        for text in self.texts[:WARM_UP]:
            tagger.tag([text])
        seconds = []
        for text in self.texts[start:end]:
            started = time.perf_counter()
            tagger.tag([text])
            seconds.append(time.perf_counter() - started)
        return {"seconds": seconds}


def main(model: str, texts: str, *runtimes: str) -> None:
    """Serve on stdin and stdout until stdin ends; whatever libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    import clue_ner

    worker = Worker(model, json.loads(Path(texts).read_text(encoding="utf-8")), runtimes)
    print(json.dumps({"ready": True, "code": clue_ner.__file__}), file=answers, flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        answer = getattr(worker, command.pop("do"))(**command)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
