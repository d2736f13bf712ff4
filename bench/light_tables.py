"""The tables of tagging's costs outside the network, against commit 3ec9ba5."""

from collections.abc import Iterator
from typing import Any

from bench.baseline import COMMIT
from bench.cells import Table, met, number, times

INT8_START, INT8_BARE, AUTO_START, VENV_MB = 1.2, 2.0, 2.0, 300.0
"""Upper limits: start with int8 in s and relative to the bare script; start with auto in s; MB of an installation."""
OUTSIDE, P50 = 0.10, 0.7
"""Upper limits for int8: the share of bulk time outside the network; p50 relative to 3ec9ba5."""
BULK = 1.3
"""Lower limit for ONNX and int8: bulk speed relative to 3ec9ba5."""
STARTS = {
    "int8": {"ours": "`--runtime int8`", "bare": "bare script, int8", "baseline": f"{COMMIT}, `--runtime int8`"},
    "auto": {"ours": "`--runtime auto`", "bare": "bare script, float32", "baseline": f"{COMMIT}, `--runtime onnx`"},
}
QUANTITIES = {
    "bulk, characters/s": ("bulk_characters_per_second", 1),
    "outside the network, % of bulk time": ("outside_share", 100),
    "latency of a sentence, p50, ms": ("p50_ms", 1),
    "latency of a sentence, p99, ms": ("p99_ms", 1),
}
"""The quantities in the table: key and factor."""
RUNTIMES = {"torch": "torch", "onnx": "ONNX", "int8": "int8"}


def tables(light: dict[str, Any]) -> Iterator[Table]:
    """Starting, speed, size on disk."""
    yield _cold(light)
    yield _warm(light)
    yield _disk(light)


def _cold(light: dict[str, Any]) -> Table:
    rows = []
    for runtime, seconds in light["cold"].items():
        for side, name in STARTS[runtime].items():
            if side in seconds:
                before = times(seconds[side], seconds["baseline"]) if "baseline" in seconds else "–"
                rows.append([name, times(seconds[side], seconds["bare"]), before, number(seconds[side])])
    int8, auto = light["cold"]["int8"], light["cold"]["auto"]
    reached = int8["ours"] <= min(INT8_START, INT8_BARE * int8["bare"])
    notes = [
        "`clue-ner tag` on one sentence in a new process; auto is ONNX in float32. Bare script: loads the same two "
        "files with NumPy, ONNX Runtime and tokenizers and runs the graph once. Medians of five, in alternation.",
        f"Goal: int8 at most {INT8_START:g} s and {INT8_BARE:g} × the bare script; here {number(int8['ours'])} s and "
        f"{times(int8['ours'], int8['bare'])}: {met(reached)}.",
        f"Goal: auto at most {AUTO_START:g} s; here {number(auto['ours'])} s: {met(auto['ours'] <= AUTO_START)}.",
        *_missing(light),
    ]
    return Table("Starting to tag", ["what", "against the bare script", f"against {COMMIT}", "s"], rows, notes)


def _warm(light: dict[str, Any]) -> Table:
    warm = light["warm"]
    bulk, p50 = (
        {runtime: _ratio(one, key) for runtime, one in warm.items()} for key in ("bulk_characters_per_second", "p50_ms")
    )
    rows, goals = [], []
    if all(bulk.values()):
        for name, ratios in (("bulk", bulk), ("p50", p50)):
            rows.append([f"{name} against {COMMIT}", *("–" if r is None else f"{r:.2f} ×" for r in ratios.values())])
        goals = [
            f"Goal: bulk of ONNX and int8 at least {BULK:g} × {COMMIT}'s; here {bulk['onnx']:.2f} × and "
            f"{bulk['int8']:.2f} ×: {met(min(bulk['onnx'], bulk['int8']) >= BULK)}.",
            f"Goal: p50 of int8 at most {P50:g} × {COMMIT}'s; here {p50['int8']:.2f} ×: {met(p50['int8'] <= P50)}.",
        ]
    for title, (key, factor) in QUANTITIES.items():
        for side in warm["int8"]:
            values = [one[side].get(key) for one in warm.values()]
            cells = [number(None if value is None else factor * value) for value in values]
            rows.append([title if side == "ours" else f"{title}, {COMMIT}", *cells])
    outside = warm["int8"]["ours"]["outside_share"]
    notes = [
        f"Bulk: {light['bulk_sentences']} sentences in batches of 64, of at most 512 tokens; medians of three. "
        f"Latencies: {light['single_sentences']} sentences, one by one. One process for each commit, with the same "
        "weights, libraries and sentences, in alternation.",
        "Outside the network: tokenising, batching and decoding, that is, everything except the call of the runtime.",
        *goals,
        f"Goal: int8 at most {100 * OUTSIDE:g} % outside the network; here {number(100 * outside)} %: "
        f"{met(outside <= OUTSIDE)}.",
        *_missing(light),
    ]
    return Table("Tagging, warm", ["", *(RUNTIMES[name] for name in warm)], rows, notes)


def _disk(light: dict[str, Any]) -> Table:
    venv, whole = light["venv_bytes"], light["environment_bytes"]
    cells = ["–", "–"] if venv is None else [times(venv, whole), number(venv / 1e6)]
    rows = [
        ["a new one after `pip install .`, which tags", *cells],
        ["this one, which does everything", "1.00 ×", number(whole / 1e6)],
    ]
    note = f"Goal: an environment that tags at most {VENV_MB:g} MB"
    if venv is None:
        note += "; not measured here: pip could not install it, as without a package index."
    else:
        note += f"; here {number(venv / 1e6)} MB: {met(venv / 1e6 <= VENV_MB)}."
    return Table("Size on disk", ["virtual environment", "against this one", "MB"], rows, [note])


def _ratio(one: dict[str, Any], key: str) -> Any:
    """Ours against the baseline's; None if one of them was not measured."""
    ours, before = one["ours"].get(key), one.get("baseline", {}).get(key)
    return ours / before if ours and before else None


def _missing(light: dict[str, Any]) -> Iterator[str]:
    """Notes on a missing model or history."""
    if not light["trained"]:
        yield "There is no trained model here, so one with a random head was used; run `dvc repro` first."
    if "baseline" not in light["cold"]["int8"]:
        yield f"{COMMIT} is not in this clone's history (`git fetch --unshallow`), so nothing is compared with it."
