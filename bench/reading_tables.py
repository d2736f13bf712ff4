"""The tables of reading labelled files."""

from collections.abc import Iterator
from typing import Any

from bench.baseline import COMMIT
from bench.cells import Table, met, number, times

SPEED, FLAT, BYTES = 2.0, 1.3, 100
"""Goals: sentences a CPU-second against 3ec9ba5, at least; memory of ``convert`` at the largest size against the
smallest, and bytes a sentence that checks take beside the sentences, at most."""
WHAT = {
    "convert": "`clue-ner convert`, jsonl to conll",
    "held": "the sentences in a list",
    "download": "stage download: ids, splits, leaks, fingerprints",
    "report": "`clue-ner data`, without a tokenizer",
}
_CHECKS = ("download", "report")


def tables(reading: dict[str, Any]) -> Iterator[Table]:
    """Speed; memory."""
    yield _speed(reading)
    yield _memory(reading)


def _speed(reading: dict[str, Any]) -> Table:
    found = reading["per_cpu_second"]
    base = found.get("baseline")
    rows = [
        [name, "–" if base is None else times(found[key], base), number(found[key])]
        for key, name in (("now", "now"), ("baseline", COMMIT))
        if key in found
    ]
    notes = [
        f"{reading['sentences']:,} sentences of JSON lines; medians of {reading['rounds']} rounds, in turns, each in a "
        "new process, after the imports."
    ]
    if base is None:
        notes.append(f"{COMMIT} is not in this clone's history (`git fetch --unshallow`), so nothing is compared.")
    else:
        ratio = found["now"] / base
        notes.append(f"Goal: at least {SPEED:g} × {COMMIT}; here {ratio:.2f} ×: {met(ratio >= SPEED)}.")
    return Table("Reading and checking", ["code", f"against {COMMIT}", "sentences/CPU s"], rows, notes)


def _memory(reading: dict[str, Any]) -> Table:
    memory, (few, many) = reading["memory"], reading["sizes"]
    beside = {kind: bytes_beside(reading, kind) for kind in _CHECKS}
    rows = [
        [
            name,
            *(number(peak / 1e6) for peak in memory[kind]),
            times(memory[kind][1], memory[kind][0]),
            number(beside.get(kind)),
        ]
        for kind, name in WHAT.items()
    ]
    ratio = memory["convert"][1] / memory["convert"][0]
    notes = [
        "Peak of a new process, imports included. Beside the sentences: how much more a sentence takes than in a list, "
        "from one size to the other.",
        f"Goal: `convert` at most {FLAT:g} ×; here {ratio:.2f} ×: {met(ratio <= FLAT)}.",
        *(
            f"Goal: checks at most {BYTES} bytes a sentence; {WHAT[kind]}: {value:.0f}: {met(value <= BYTES)}."
            for kind, value in beside.items()
        ),
    ]
    header = ["what", f"{few:,} sentences, MB", f"{many:,} sentences, MB", "against the first", "beside them, bytes"]
    return Table("Memory of reading", header, rows, notes)


def bytes_beside(reading: dict[str, Any], kind: str) -> float:
    """What checks take for a sentence beside the sentences themselves, in bytes."""
    (few, many), (base_few, base_many) = reading["memory"][kind], reading["memory"]["held"]
    return float(((many - few) - (base_many - base_few)) / (reading["sizes"][1] - reading["sizes"][0]))
