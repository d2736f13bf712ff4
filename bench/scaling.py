"""Time and memory for more data: the data stages without a model, on a corpus repeated 1, 4 and 16 times.

``python -m bench.scaling tokenize_align|evaluate FOLDER`` measures one of them in a separate process.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from bench.inputs import ROOT, stage
from bench.memory import peak_memory_gb
from clue_ner.common.files import read_json, write_checksums, write_json
from clue_ner.core.entities import Sentence
from clue_ner.core.sentences import SPLITS, read_split, write_sentences

CLUENER = {"tokenize_align": ("train", 10748), "evaluate": ("test", 1343)}
"""The split that the stage reads, and CLUENER's sentences of it (train: with those kept for valid). This is 1×."""
TIMES = (1, 4, 16)


def measure(place: Path, times: tuple[int, ...] = TIMES) -> dict[str, Any]:
    """Seconds and peak memory of each stage by the size of the corpus; memory is reported with that of the imports."""
    return {
        name: [{"times": number, "sentences": number * sentences, **once(place, name, number)} for number in times]
        for name, (_, sentences) in CLUENER.items()
    }


def once(place: Path, name: str, times: int) -> dict[str, Any]:
    """One measurement: lay out a folder with ``times`` CLUENER's sentences, and run the stage in a new process."""
    with tempfile.TemporaryDirectory(prefix="scaling-") as scratch:
        folder = Path(scratch)
        lay_out(place, folder, name, times)
        command = [sys.executable, "-m", "bench.scaling", name, str(folder)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} at {times}×:\n{done.stderr[-2000:]}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def lay_out(place: Path, folder: Path, name: str, times: int) -> None:
    """Give ``folder`` what the stage reads: that of ``place``, and ``times`` CLUENER's sentences."""
    split, sentences = CLUENER[name]
    (folder / "data").mkdir(parents=True)
    for shared in ("params.yaml", "data/backbone", "data/tags.json"):
        (folder / shared).symlink_to((place / shared).resolve())
    for part in dict.fromkeys(SPLITS.values()):
        write_json(folder / part / "corpus.json", read_json(place / part / "corpus.json"))
    write_sentences(folder / SPLITS[split] / f"{split}.jsonl", repeated(place, times * sentences))
    for part in dict.fromkeys(SPLITS.values()):
        write_checksums(folder / part)


def repeated(place: Path, sentences: int) -> list[Sentence]:
    """``sentences`` sentences: the corpus over and over, each with an id of its own."""
    corpus = [sentence for split in ("train", "valid", "test") for sentence in read_split(place, split) or []]
    return [replace(sentence, id=str(number)) for number, sentence in enumerate(islice(cycle(corpus), sentences))]


def main(name: str, folder: Path) -> None:
    """Measure in this process, after the imports; print JSON."""
    if name == "evaluate":
        run = _evaluate()
    else:
        import pyarrow  # noqa: F401

        run = stage(ROOT, name)
    before, started = peak_memory_gb(), time.perf_counter()
    run(folder)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "imports_gb": before, "peak_gb": peak_memory_gb()}))


def _evaluate() -> Callable[[Path], Any]:
    """The stage evaluate without the model and the figures; the gold entities are used as predictions."""
    import seqeval.metrics  # noqa: F401

    from clue_ner.alignment.aligner import Aligner
    from clue_ner.alignment.encode import count
    from clue_ner.core.entities import resolve_overlaps
    from clue_ner.core.params import load_params
    from clue_ner.evaluation import predictions
    from clue_ner.evaluation.error_analysis import analyse
    from clue_ner.evaluation.report import report

    def run(folder: Path) -> None:
        params = load_params(folder / "params.yaml")
        tagging = params.tagging
        aligner = Aligner.from_backbone(folder / "data/backbone", tagging.align, tagging.window, tagging.overlap)
        split, gold, _ = predictions.to_score(folder)
        found = [resolve_overlaps(sentence.entities) for sentence in gold]
        scores = report(gold, found, predictions.character_tags(gold, found), params.evaluate.bootstrap, params.seed)
        errors = analyse(gold, found, params.evaluate.examples)
        lost = count(gold, aligner).lost
        predictions.write(folder / "data/predictions", split, gold, found, errors | {"scores": scores}, lost)

    return run


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
