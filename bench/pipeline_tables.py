"""The tables of the pipeline's cost and of more data."""

from typing import Any

from bench.cells import Table, number, times
from bench.scaling import CLUENER


def repro(pipeline: dict[str, Any]) -> Table:
    """A repro with nothing to do, against an empty pipeline's."""
    ours, empty = pipeline["repro"]["pipeline"], pipeline["repro"]["empty"]
    rows = [
        ["this pipeline", times(ours, empty), number(ours)],
        ["an empty pipeline: DVC's own", "1.00 ×", number(empty)],
    ]
    notes = [f"This pipeline: {pipeline['which']}. Medians of five, in alternation."]
    return Table("`dvc repro` with nothing to do", ["pipeline", "against an empty one", "s"], rows, notes)


def starts(pipeline: dict[str, Any]) -> Table:
    """What starting costs before any work, and the work of tokenize_align."""
    bare = pipeline["starts"]["interpreter"]
    rows = [[name, number(seconds), number(seconds - bare)] for name, seconds in pipeline["starts"].items()]
    alone = pipeline["tokenize_align"]
    rows.append([f"tokenize_align, its work on {CLUENER['tokenize_align']:,} sentences", "–", number(alone["seconds"])])
    notes = ["A stage's line is its imports alone, nothing is run. Medians of three, in alternation."]
    return Table("Starting", ["what", "s", "s without the bare interpreter"], rows, notes)


def scaling(measured: dict[str, Any]) -> Table:
    """Time and memory against the size of the corpus."""
    header = ["stage", "sentences", "data against 1×", "time against 1×", "memory against 1×", "s", "peak memory, GB"]
    rows, notes = [], []
    for name, sizes in measured.items():
        base = sizes[0]
        for size in sizes:
            factor = size["times"] / base["times"]
            rows.append(
                [
                    *(name, f"{size['sentences']:,}", f"{factor:g} ×", times(size["seconds"], base["seconds"])),
                    *(times(size["peak_gb"], base["peak_gb"]), number(size["seconds"]), number(size["peak_gb"])),
                ]
            )
        last = sizes[-1]
        growth = last["seconds"] / base["seconds"] / (last["times"] / base["times"])
        word = "linear" if growth < 1.25 else "more than linear"
        held = last["peak_gb"] / base["peak_gb"]
        notes.append(
            f"{name}: time is {word} ({growth:.2f} of proportional); memory is {'flat' if held < 1.25 else 'not flat'} "
            f"({held:.2f} ×; imports alone {number(base['imports_gb'])} GB)."
        )
    notes.append(
        "The corpus repeated, each sentence with an id of its own; after the imports, in a process of its own."
    )
    notes.append("evaluate: without the model and the figures, as if it had found the gold entities.")
    return Table("More data", header, rows, notes)
