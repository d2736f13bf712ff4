"""Reading labelled files: sentences that are read and checked in a CPU-second, and memory by the size of a corpus.

``python -m bench reading`` measures all of it. Each measurement is of a new process: ``python -m bench.reading KIND
FILE`` prints one, as JSON.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from bench import baseline
from bench.inputs import ROOT
from bench.memory import peak_memory_gb

SENTENCES, ROUNDS = 100_000, 3
"""Of the comparison with 3ec9ba5; both read the same file, in turns, and the medians of the rounds count."""
SIZES = (100_000, 1_000_000)
"""Sentences of the corpora whose memory is measured."""
BEFORE = """
import json, sys, time
from pathlib import Path
from clue_ner.corpora._records import json_lines, to_sentences
path = Path(sys.argv[1])
started, problems = time.process_time(), []
found = to_sentences(json_lines(path.read_bytes(), path.name, problems), "train", problems)
print(json.dumps(len(found) / (time.process_time() - started)))
"""
"""Sentences a CPU-second of 3ec9ba5, in its own code."""


def measure(place: Path) -> dict[str, Any]:
    """Sentences a CPU-second of this code and of 3ec9ba5, if it is in the history; peak bytes of memory by size.

    ``memory`` has, of ``convert``, of the sentences ``held`` as they are, of the stage ``download``, and of ``report``
    (clue-ner data), the peak of each size in ``SIZES``. ``place`` is for the files.
    """
    folder = place / "reading"
    folder.mkdir()
    path = write(folder / f"{SENTENCES}.jsonl", SENTENCES)
    before = baseline.unpack(ROOT, folder / "before", os.environ)
    speeds: dict[str, list[float]] = {"now": []} if before is None else {"now": [], "baseline": []}
    for _ in range(ROUNDS):
        speeds["now"].append(_measured(["-m", "bench.reading", "speed"], path))
        if before is not None:
            speeds["baseline"].append(_measured(["-c", BEFORE], path, {"PYTHONPATH": str(before)}))
    memory: dict[str, list[float]] = {kind: [] for kind in MEMORY}
    for size in SIZES:
        path = write(folder / f"{size}.jsonl", size)
        for kind, peaks in memory.items():
            peaks.append(_measured(["-m", "bench.reading", kind], path))
    return {
        "sentences": SENTENCES,
        "rounds": ROUNDS,
        "per_cpu_second": {name: median(values) for name, values in speeds.items()},
        "sizes": list(SIZES),
        "memory": memory,
    }


def write(path: Path, sentences: int) -> Path:
    """A file of JSON lines with sentences of about 40 characters and three entities each, about as CLUENER's are."""
    with path.open("w", encoding="utf-8") as stream:
        for number in range(sentences):
            person = f"{_NAMES[number % 97 % 10]}{number % 99_991:05}"
            text = f"{person}昨天到了上海，第{number:09}次见到程千帆和他的同事们，大家都很高兴。"
            place = len(person) + 4
            spans = [("name", 0, len(person)), ("address", place, place + 2), ("name", place + 16, place + 19)]
            entities = [{"type": type_, "start": start, "end": end} for type_, start, end in spans]
            stream.write(json.dumps({"text": text, "entities": entities}, ensure_ascii=False) + "\n")
    return path


_NAMES = "赵钱孙李周吴郑王冯陈"


def speed(path: Path) -> float:
    """Sentences that are read and checked in a CPU-second of this process."""
    from clue_ner.layouts import read

    started = time.process_time()
    found = [record.sentence for record in read(path, "jsonl")]
    return len(found) / (time.process_time() - started)


def convert(path: Path) -> None:
    """``clue-ner convert`` to CoNLL's columns."""
    from clue_ner.cli.main import main

    main(["convert", str(path), str(path.with_suffix(".bio"))], standalone_mode=False)


def held(path: Path) -> Any:
    """All sentences of the file in a list, with ids as in a corpus."""
    from clue_ner.layouts import read

    return [record.sentence for record in read(path, "jsonl").records("train-")]


def download(path: Path) -> Any:
    """What the stage download does before it writes: ids, splits, leaks, fingerprints, counts and warnings."""
    from clue_ner.corpora import describe, measure

    corpus = _corpus(path, 0.1)
    return describe(corpus, *corpus.splits), measure(corpus)


def report(path: Path) -> Any:
    """The report of ``clue-ner data``, without a tokenizer."""
    from clue_ner.data_report.report import report as made

    return made(_corpus(path, 0.1), "not measured", 3)


MEMORY = {"convert": convert, "held": held, "download": download, "report": report}


def _corpus(path: Path, fraction: float) -> Any:
    from clue_ner.core.params import CorpusParams
    from clue_ner.corpora import load_corpus

    params = {"path": str(path), "valid_fraction": fraction, "test_fraction": fraction, "split_seed": 0}
    return load_corpus(CorpusParams(name="jsonl", **params))


def _measured(command: list[str], path: Path, variables: Mapping[str, str] | None = None) -> float:
    """The number that a new Python process prints last."""
    done = subprocess.run(
        [sys.executable, *command, str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **(variables or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stderr[-2000:]}")
    return float(json.loads(done.stdout.splitlines()[-1]))


def main(kind: str, path: Path) -> None:
    """Print the speed, or the peak of memory in bytes after one of ``MEMORY``."""
    if kind == "speed":
        print(json.dumps(speed(path)))
        return
    result = MEMORY[kind](path)
    print(json.dumps(1e9 * peak_memory_gb()))
    del result


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
