"""What more data costs: the data stages without a model, on a corpus repeated 1, 4 and 16 times.

``python -m bench.scaling tokenize_align|evaluate FOLDER`` measures one of them in a process of its own.
"""

import json
import shutil
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
from clue_ner.core.entities import Sentence
from clue_ner.core.files import read_sentences, write_checksums, write_sentences

CLUENER = {"tokenize_align": 12091, "evaluate": 1343}
"""Sentences that the stage reads of CLUENER: of all labelled splits, and of its test split. This is 1×."""
TIMES = (1, 4, 16)


def measure(place: Path, times: tuple[int, ...] = TIMES) -> dict[str, Any]:
    """Seconds and peak memory of each stage by the size of the corpus; memory is given beside that of the imports."""
    return {
        name: [{"times": number, "sentences": number * sentences, **once(place, name, number)} for number in times]
        for name, sentences in CLUENER.items()
    }


def once(place: Path, name: str, times: int) -> dict[str, Any]:
    """One measurement: lay out a folder with so many sentences, and run the stage on it in a new process."""
    with tempfile.TemporaryDirectory(prefix="scaling-") as scratch:
        folder = Path(scratch)
        (folder / "data/corpus").mkdir(parents=True)
        for shared in ("params.yaml", "data/backbone", "data/tags.json"):
            (folder / shared).symlink_to((place / shared).resolve())
        write_sentences(folder / "data/corpus/train.jsonl", repeated(place, times * CLUENER[name]))
        shutil.copy(place / "data/corpus/corpus.json", folder / "data/corpus")
        write_checksums(folder / "data/corpus")
        command = [sys.executable, "-m", "bench.scaling", name, str(folder)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} at {times}×:\n{done.stderr[-2000:]}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def repeated(place: Path, sentences: int) -> list[Sentence]:
    """So many sentences of the corpus, over and over, each with an id of its own."""
    paths = [place / "data/corpus" / f"{split}.jsonl" for split in ("train", "valid", "test")]
    corpus = [sentence for path in paths if path.exists() for sentence in read_sentences(path)]
    return [replace(sentence, id=str(number)) for number, sentence in enumerate(islice(cycle(corpus), sentences))]


def _evaluate() -> Callable[[Path], Any]:
    """All that stage evaluate does beside the model and its figures, as if the model had found the gold entities."""
    from clue_ner.core.params import load_params
    from clue_ner.evaluation import predictions
    from clue_ner.evaluation.error_analysis import analyse
    from clue_ner.evaluation.scores import report

    def run(folder: Path) -> None:
        params = load_params(folder / "params.yaml")
        gold = read_sentences(folder / "data/corpus/train.jsonl")
        found = [sentence.entities for sentence in gold]
        scores = report(gold, found, None, params.evaluate.bootstrap, params.seed)
        errors = analyse(gold, found, params.evaluate.examples)
        predictions.write(folder / "data/predictions", "train", gold, found, errors | {"scores": scores})

    return run


def main(name: str, folder: Path) -> None:
    """Measure in this process, after the imports; print JSON."""
    if name == "evaluate":
        run = _evaluate()
    else:
        import pyarrow  # noqa: F401
        import transformers

        assert transformers.AutoTokenizer  # lazy: only the attribute imports it
        run = stage(ROOT, name)
    before, started = peak_memory_gb(), time.perf_counter()
    run(folder)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "imports_gb": before, "peak_gb": peak_memory_gb()}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
