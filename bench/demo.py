"""``make demo`` after the installation: the seconds of each stage, and the score, for three seeds."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from bench import clone, commands
from bench.cells import Table, met, number
from clue_ner.common.files import read_json, write_text

SEEDS = (1, 2, 3)
SECONDS, F1 = 135.0, 0.83
"""Goals: at most so long on two cores, also without bf16; at least this micro F1 as mean of the seeds."""
STAGE = re.compile(r"stage (\w+)")
REST = "start and end"


def measure(root: Path, place: Path) -> dict[str, Any]:
    """Medians over ``SEEDS`` of the seconds of each stage and of all, and the micro F1 of each seed.

    Each demo is a new one in a copy of ``root`` below ``place``, with an MLflow store that exists after the first.
    """
    variables, folder = commands.environment(root), place / "demo"
    clone.copy(root, folder, variables)
    params = (folder / "params.yaml").read_text(encoding="utf-8")
    runs, scores = list[dict[str, float]](), list[float]()
    for seed in SEEDS:
        shutil.rmtree(folder / "demo", ignore_errors=True)
        write_text(folder / "params.yaml", re.sub(r"^seed: \d+", f"seed: {seed}", params, flags=re.MULTILINE))
        runs.append(run(folder, variables))
        scores.append(read_json(folder / "demo/metrics/evaluate.json")["micro"]["f1"])
    return {"seconds": {name: median(each[name] for each in runs) for name in runs[0]}, "micro_f1": scores}


def run(folder: Path, variables: Mapping[str, str]) -> dict[str, float]:
    """One demo in ``folder``: seconds by stage, of the rest, and ``all``; RuntimeError if it fails."""
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "clue_ner.demo"],
        cwd=folder,
        env=dict(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = [(line, time.perf_counter() - started) for line in process.stdout]
    if process.returncode:
        raise RuntimeError(f"clue_ner.demo:\n{''.join(line for line, _ in lines)[-2000:]}")
    return by_stage(lines, time.perf_counter() - started)


def by_stage(lines: Iterable[tuple[str, float]], whole: float) -> dict[str, float]:
    """Seconds by stage of a demo that took ``whole`` seconds; ``lines`` are of its output, with their moments.

    A stage lasts until the next one begins, the last one until the table of scores.

    >>> by_stage([("MLflow at", 1.0), ("stage fine_tune", 2.0), ("stage export", 7.0), (" Test scores: 2", 9.0)], 10.0)
    {'fine_tune': 5.0, 'export': 2.0, 'start and end': 3.0, 'all': 10.0}
    """
    moments = [(found[1], moment) for line, moment in lines if (found := STAGE.match(line))]
    end = next((moment for line, moment in lines if "Test scores" in line), whole)
    ends = [*(moment for _, moment in moments[1:]), end]
    seconds = {name: end - begin for (name, begin), end in zip(moments, ends, strict=True)}
    return {**seconds, REST: whole - sum(seconds.values()), "all": whole}


def table(measured: dict[str, Any]) -> Table:
    """Where the time goes, and whether the goals are met."""
    seconds, scores = measured["seconds"], measured["micro_f1"]
    mean = sum(scores) / len(scores)
    rows = [[name, f"{100 * each / seconds['all']:.0f} %", number(each)] for name, each in seconds.items()]
    notes = [
        f"After the installation; medians of {len(scores)} seeds.",
        f"Goal: at most {SECONDS:g} s on two cores without bf16; here {number(seconds['all'])} s: "
        f"{met(seconds['all'] <= SECONDS)}.",
        f"Goal: mean micro F1 at least {100 * F1:g}; here {100 * mean:.1f} "
        f"({', '.join(f'{100 * score:.1f}' for score in scores)}): {met(mean >= F1)}.",
    ]
    return Table("`make demo`", ["stage", "share", "s"], rows, notes)
