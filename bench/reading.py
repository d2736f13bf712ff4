"""Sentences that are read and checked in a CPU-second, beside commit 3ec9ba5; the memory of ``convert`` by size.

``python -m bench.reading`` prints JSON. Both readers read the same file of JSON lines, in turns, each in a process of
its own; the median of the rounds counts.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.baseline import unpack
from bench.inputs import ROOT

SENTENCES, ROUNDS = 100_000, 3
SIZES = (100_000, 1_000_000)
BEFORE = """
import sys, time
from pathlib import Path
from clue_ner.corpora._records import json_lines, to_sentences
path = Path(sys.argv[1])
started, problems = time.process_time(), []
found = to_sentences(json_lines(path.read_bytes(), path.name, problems), "train", problems)
print(len(found) / (time.process_time() - started))
"""
NOW = """
import sys, time
from pathlib import Path
from clue_ner.layouts import read
started = time.process_time()
found = [record.sentence for record in read(Path(sys.argv[1]), "jsonl")]
print(len(found) / (time.process_time() - started))
"""
CONVERT = """
import resource, sys
from clue_ner.cli.main import main
try:
    main(["convert", *sys.argv[1:]])
except SystemExit as end:
    assert not end.code, end
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def measure(folder: Path) -> dict[str, Any]:
    """Sentences a CPU-second of both readers, and MB of memory that ``convert`` takes at each size."""
    path = write(folder / "train.jsonl", SENTENCES)
    before = unpack(ROOT, folder / "before", os.environ)
    speeds: dict[str, list[float]] = {"now": [], "before": []}
    for _ in range(ROUNDS):
        speeds["now"].append(run(NOW, ROOT / "src", path))
        if before is not None:
            speeds["before"].append(run(BEFORE, before, path))
    memory = {}
    for size in SIZES:
        source = write(folder / f"{size}.jsonl", size)
        memory[str(size)] = run(CONVERT, ROOT / "src", source, folder / "out.bio")
    return {
        "sentences_per_cpu_second": {name: statistics.median(values) for name, values in speeds.items() if values},
        "convert_mb": memory,
    }


def write(path: Path, sentences: int) -> Path:
    """A file of JSON lines with sentences of 40 characters and two entities each, as CLUENER's are."""
    with path.open("w", encoding="utf-8") as stream:
        for number in range(sentences):
            text = f"林若溪昨天到了上海，第{number:09}次见到程千帆和他的同事们，大家都很高兴。"
            spans = [("name", 0, 3), ("address", 7, 9), ("name", 24, 27)]
            entities = [{"type": type_, "start": start, "end": end} for type_, start, end in spans]
            stream.write(json.dumps({"text": text, "entities": entities}, ensure_ascii=False) + "\n")
    return path


def run(script: str, source: Path, *arguments: Path) -> float:
    """The number that a script prints, run in a process of its own with the package in ``source``."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(source)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return float(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="reading-") as place:
        print(json.dumps(measure(Path(place)), indent=2))
