"""The tables of the pipeline's overhead, and of more data."""

from typing import Any

from bench.cells import Table, met, number, times

OVERHEAD_SECONDS, OVERHEAD_IMPORTS, NO_OP = 20.0, 4.0, 1.6
"""Upper limits: all stages on a tiny corpus, in s and relative to the import; a no-op relative to an empty pipeline."""


def overhead(measured: dict[str, Any]) -> Table:
    """All stages with almost no work, relative to an import, and where the time is spent."""
    whole, base = measured["pipeline"], measured["import"]
    limit = max(OVERHEAD_SECONDS, OVERHEAD_IMPORTS * base)
    rows = [
        ["all stages, `dvc exp run`", f"{measured['ratio']:.2f} ×", number(whole), "–"],
        ["`import torch; from transformers import Trainer`", "1.00 ×", number(base), "–"],
    ]
    for name, stage in measured["stages"].items():
        seconds = stage["process"]
        rows.append([f"{name}, without DVC", times(seconds, base), number(seconds), number(stage["imports"])])
    process, imports = (sum(s[kind] for s in measured["stages"].values()) for kind in ("process", "imports"))
    rows.append(["all, without DVC", times(process, base), number(process), number(imports)])
    notes = [
        "24 sentences, two epochs, a random BERT of two layers, export.onnx=false; in new clones with an empty MLflow "
        "store. Medians of three, in turns.",
        f"Goal: at most {OVERHEAD_SECONDS:g} s or {OVERHEAD_IMPORTS:g} × the import, whichever is more; here "
        f"{number(limit)} s: {met(whole <= limit)}.",
        "The imports are those at the top of a stage's script; what it imports later counts as its work.",
    ]
    header = ["what", "against the import", "s", "of it imports, s"]
    return Table("A pipeline with next to no work", header, rows, notes)


def repro(pipeline: dict[str, Any]) -> Table:
    """A repro with nothing to do, against an empty pipeline's."""
    ours, empty = pipeline["repro"]["pipeline"], pipeline["repro"]["empty"]
    rows = [
        ["this pipeline", times(ours, empty), number(ours)],
        ["an empty pipeline: DVC's own", "1.00 ×", number(empty)],
    ]
    notes = [
        f"This pipeline: {pipeline['which']}. Medians of five, in alternation.",
        f"Goal: at most {NO_OP:g} × an empty pipeline: {met(ours <= NO_OP * empty)}.",
    ]
    return Table("`dvc repro` with nothing to do", ["pipeline", "against an empty one", "s"], rows, notes)


def starts(pipeline: dict[str, Any]) -> Table:
    """Start-up times, and the time of tokenize_align's work."""
    bare = pipeline["starts"]["interpreter"]
    rows = [[name, number(seconds), number(seconds - bare)] for name, seconds in pipeline["starts"].items()]
    work = number(pipeline["tokenize_align"]["seconds"])
    rows.append(["tokenize_align, its work on as many sentences as CLUENER has", "–", work])
    notes = ["For a stage only its imports are timed; it is not run. Medians of three, in alternation."]
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
            f"({held:.2f} ×; after the imports {number(base['imports_gb'])} GB)."
        )
    notes.append(
        "The corpus is repeated, and each sentence gets its own id. Measured after the imports, in a new process."
    )
    notes.append("evaluate: without the model and the figures; the gold entities are used as predictions.")
    return Table("More data", header, rows, notes)
