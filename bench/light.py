"""Costs of tagging outside the network: start, decoding, latency, disk; in alternation with commit 3ec9ba5."""

import contextlib
import logging
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from safetensors.torch import save_file

from bench import baseline, clone, commands
from bench.inputs import ROOT
from bench.tagging import BULK, SINGLE, our_tagger
from bench.training import Worker, started
from clue_ner.alignment.tokenizer import FILE as TOKENIZER
from clue_ner.common.files import write_checksums, write_json, write_text
from clue_ner.evaluation.predictions import to_score
from clue_ner.runtimes.torch import model_of
from clue_ner.tagger.model_files import GRAPHS, WEIGHTS

SENTENCE = "我是王德发，目前住在北京。"
STARTS = {"int8": "int8", "auto": "onnx"}
"""Our runtimes that are started, and of each the graph that it opens, which is 3ec9ba5's name for it."""
RUNTIMES = ("torch", *GRAPHS)
ON_CPU = {"CUDA_VISIBLE_DEVICES": ""}
"""Variables: 3ec9ba5 tags on the CPU only, so that all is compared there."""
TIMES, ROUNDS, SINGLE_CHUNK = 5, 3, 20
"""How often starts, and bulk, are timed; sentences that are tagged one by one in a turn."""

logger = logging.getLogger("clue_ner.bench")


@dataclass(frozen=True)
class Side:
    """A commit's code, and a model that it reads."""

    cli: str
    """the module of the command line"""
    model: Path
    """a folder as models/export"""
    variables: Mapping[str, str]
    """the environment, with the code in PYTHONPATH"""


def measure(root: Path, place: Path) -> dict[str, Any]:
    """Starts, speeds and sizes of the model in the repository ``root``, or of a random substitute.

    Texts are those in ``place``. The code is that of this repository, and 3ec9ba5's if it is in the history.
    """
    texts = [sentence.text for sentence in to_score(place)[1]][:BULK]
    folder, variables = place / "light", commands.environment(ROOT) | ON_CPU
    folder.mkdir()
    model, trained = our_model(root, place, folder / "ours")
    sides = {"ours": Side("clue_ner.cli.main", model, variables)}
    if source := baseline.unpack(ROOT, folder, variables):
        before = {**variables, "PYTHONPATH": str(source)}
        sides["baseline"] = Side(baseline.CLI, baseline.convert(model, folder / "baseline", before), before)
    return {
        "trained": trained,
        "cold": cold(sides, folder),
        "bulk_sentences": len(texts),
        "single_sentences": len(texts[:SINGLE]),
        "warm": warm(sides, texts, folder),
        "venv_bytes": venv_bytes(folder, variables),
        "environment_bytes": disk_bytes(Path(sys.prefix)),
    }


def our_model(root: Path, place: Path, folder: Path) -> tuple[Path, bool]:
    """A folder as models/export, and whether it is a trained model; written into ``folder`` if there is none."""
    exported = root / "models/export"
    if all((exported / "onnx" / graph).is_file() for graph in GRAPHS.values()):
        return exported, True
    tagger, graphs, note = our_tagger(root, place)
    model, target = model_of(tagger), folder / "tagger"
    tagger.aligner.tokenizer.save(target)
    model.encoder.config.save_pretrained(target)
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, target / WEIGHTS)
    tagger.config.save(target)
    write_checksums(target)
    shutil.copytree(graphs, folder / "onnx")
    return folder, note is None


def cold(sides: Mapping[str, Side], folder: Path) -> dict[str, dict[str, float]]:
    """Median seconds of new processes that tag ``SENTENCE``, by our runtime, then by side or ``bare``; in turns."""
    text = folder / "sentence.txt"
    write_text(text, SENTENCE + "\n")
    actions, model = {}, sides["ours"].model
    for runtime, graph in STARTS.items():
        for name, side in sides.items():
            options = ["--model", str(side.model), "--runtime", runtime if name == "ours" else graph]
            command = [sys.executable, "-m", side.cli, "tag", *options, str(text)]
            actions[f"{runtime} {name}"] = partial(commands.run, command, folder, side.variables)
        files = [model / "tagger" / TOKENIZER, model / "onnx" / GRAPHS[graph], text]
        command = [sys.executable, "-m", "bench.bare", *(str(file.resolve()) for file in files)]
        actions[f"{runtime} bare"] = partial(commands.run, command, ROOT, sides["ours"].variables)
    medians = commands.alternate(actions, TIMES)
    return {runtime: {name: medians[f"{runtime} {name}"] for name in (*sides, "bare")} for runtime in STARTS}


def warm(sides: Mapping[str, Side], texts: Sequence[str], folder: Path) -> dict[str, dict[str, dict[str, float]]]:
    """By runtime and side: characters per second in bulk, the share of time outside the network, latencies.

    Each side is a process with all runtimes loaded; only one computes at a time, in alternation.
    """
    write_json(folder / "texts.json", texts)
    with contextlib.ExitStack() as stack:
        workers = {name: stack.enter_context(worker(side, folder / "texts.json")) for name, side in sides.items()}
        for each in workers.values():
            each.answer()
        return _turns(workers, texts)


def _turns(workers: Mapping[str, Worker], texts: Sequence[str]) -> dict[str, dict[str, dict[str, float]]]:
    bulk: dict[tuple[str, str], list[dict[str, float]]] = {(r, name): [] for r in RUNTIMES for name in workers}
    latencies: dict[tuple[str, str], list[float]] = {(r, name): [] for r in GRAPHS for name in workers}
    for _ in range(ROUNDS):
        for runtime, name in bulk:
            bulk[runtime, name].append(workers[name].ask(do="bulk", runtime=runtime))
    singles = min(SINGLE, len(texts))
    for start in range(0, singles, SINGLE_CHUNK):
        for runtime, name in latencies:
            end = min(start + SINGLE_CHUNK, singles)
            answer = workers[name].ask(do="single", runtime=runtime, start=start, end=end)
            latencies[runtime, name] += answer["seconds"]
    found: dict[str, dict[str, dict[str, float]]] = {runtime: {} for runtime in RUNTIMES}
    for (runtime, name), turns in bulk.items():
        found[runtime][name] = {
            "bulk_characters_per_second": sum(map(len, texts)) / median(turn["seconds"] for turn in turns),
            "outside_share": median(1 - turn["network_seconds"] / turn["seconds"] for turn in turns),
        }
    for (runtime, name), seconds in latencies.items():
        p50, p99 = np.percentile(seconds, (50, 99))
        found[runtime][name] |= {"p50_ms": 1e3 * float(p50), "p99_ms": 1e3 * float(p99)}
    return found


def worker(side: Side, texts: Path, runtimes: Sequence[str] = RUNTIMES) -> AbstractContextManager[Worker]:
    """A process that tags the JSON list ``texts``: see ``bench.light_worker``; it ends with the block."""
    return started(["bench.light_worker", str(side.model.resolve()), str(texts), *runtimes], side.variables)


def venv_bytes(folder: Path, variables: Mapping[str, str]) -> int | None:
    """The size of a new virtual environment after ``pip install .``; None if pip fails, as without an index."""
    clone.copy(ROOT, folder / "source", variables)  # setuptools leaves files where it builds
    outside = {name: value for name, value in variables.items() if name != "PYTHONPATH"}
    commands.run([sys.executable, "-m", "venv", str(folder / "venv")], folder, outside)
    install = [str(folder / "venv/bin/python"), "-m", "pip", "install", "--quiet", str(folder / "source")]
    done = commands.run(install, folder, outside, check=False)
    if done.returncode:
        logger.warning("pip install .: %s", done.stderr[-500:])
        return None
    return disk_bytes(folder / "venv")


def disk_bytes(folder: Path) -> int:
    """The size of a folder on disk."""
    return 1024 * int(commands.run(["du", "-sk", str(folder)], folder, commands.environment(ROOT)).stdout.split()[0])
