"""``python -m bench [part …]``: measure, show, and write docs/bench.{md,json,png}."""

import argparse
import logging
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from clue_ner.common.files import write_json
from clue_ner.common.stage import prepare as quiet

PARTS = ("training", "heads", "tagging", "light", "serve", "demo", "overhead", "pipeline", "scaling", "reading")
SECONDS, TARGET = 120.0, 0.5

logger = logging.getLogger("clue_ner.bench")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the parts that are asked for; all of them write docs/, some only the folder ``--out``."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"{', '.join(PARTS)}; all of them by default")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="training time of each recipe (default 120)")
    parser.add_argument("--f1", type=float, default=TARGET, help="valid F1 to be reached, 0 to 1 (default 0.5)")
    parser.add_argument("--out", type=Path, help="folder for bench.md, .json and .png (all parts: docs)")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}: there are {', '.join(PARTS)}")
    quiet()
    parts = [part for part in PARTS if part in (asked.parts or PARTS)]
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        results = measure(parts, Path(place), asked.seconds, asked.f1)
    results |= {"command": _command(asked), "seconds": time.perf_counter() - started}

    from bench import figure, report

    width = max(shutil.get_terminal_size((160, 50)).columns, 120)
    report.show(results, Console(width=width))
    out = asked.out or (None if asked.parts else Path("docs"))
    if out is not None:
        figure.draw(out / "bench.png", results)
        write_json(out / "bench.json", results)
        report.write(out)
        logger.info("%s, %s", out / "bench.md", "bench.json and bench.png beside it")


def measure(parts: Sequence[str], place: Path, seconds: float, target: float) -> dict[str, Any]:
    """The results of each part, with the machine, its peaks and the data; ``place`` is an empty folder."""
    from transformers.utils.logging import disable_progress_bar

    from bench import (
        demo,
        heads,
        inputs,
        light,
        machine,
        overhead,
        pipeline,
        reading,
        scaling,
        serve,
        tagging,
        training,
    )

    disable_progress_bar()
    inputs.prepare(inputs.ROOT, place)
    data = inputs.describe(place)
    tokens = round(data["batch_size"] * (data["mean_characters"] + 2))
    results: dict[str, Any] = {"machine": machine.describe(), "data": data}
    shapes = tokens, data["hidden"], data["intermediate"]
    results["peaks"] = machine.peaks(*shapes)
    measures = {
        "training": lambda: training.measure(place, seconds, target),
        "heads": lambda: heads.measure(place, data["layers"]),
        "tagging": lambda: tagging.measure(inputs.ROOT, place),
        "light": lambda: light.measure(inputs.ROOT, place),
        "serve": lambda: serve.measure(inputs.ROOT, place),
        "demo": lambda: demo.measure(inputs.ROOT, place),
        "overhead": lambda: overhead.measure(inputs.ROOT, place),
        "pipeline": lambda: pipeline.measure(inputs.ROOT, place),
        "scaling": lambda: scaling.measure(place),
        "reading": lambda: reading.measure(place),
    }
    for part in parts:
        started = time.perf_counter()
        results[part] = measures[part]()
        logger.info("%s: %.0f s", part, time.perf_counter() - started)
    results["peaks"] = machine.higher(results["peaks"], machine.peaks(*shapes))
    return results


def _command(asked: argparse.Namespace) -> str:
    if not asked.parts and (asked.seconds, asked.f1) == (SECONDS, TARGET):
        return "make bench"
    options = [f"--seconds {asked.seconds:g}", f"--f1 {asked.f1:g}"]
    return " ".join(["python -m bench", *asked.parts, *options])


if __name__ == "__main__":
    main()
