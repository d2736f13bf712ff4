"""The tables of the service under load."""

from collections.abc import Iterator
from typing import Any

from bench.baseline import COMMIT
from bench.cells import Table, met, number, times

BEFORE, SAME, CPU = 5.0, 2.0, 0.85
"""Goals, at least: throughput against MLflow as of 3ec9ba5, and of the same runtime; CPU time against the bulk's."""
P99, MEMORY = 4.0, 1.05
"""Goals, at most: p99 at half of the capacity, in p50s of one client; memory after ten minutes, in that of one."""
SERVICES = {
    "int8": "`clue-ner serve --runtime int8`",
    "torch": "`clue-ner serve --runtime torch`",
    "mlflow_int8": "`mlflow models serve` (int8)",
    "mlflow_torch": "`mlflow models serve` (torch)",
    "baseline": f"{COMMIT}, `mlflow models serve` (torch)",
}
SAME_RUNTIME = {"int8": "mlflow_int8", "torch": "mlflow_torch", "baseline": "mlflow_torch"}


def tables(serve: dict[str, Any]) -> Iterator[Table]:
    """Throughput and CPU time; latency and memory."""
    yield _throughput(serve)
    yield _under_load(serve)


def _throughput(serve: dict[str, Any]) -> Table:
    found, bulk = serve["throughput"], serve["bulk_per_cpu_second"]
    base = found.get("baseline", {}).get("per_second")
    rows = [
        [
            SERVICES[name],
            "–" if base is None else times(one["per_second"], base),
            times(one["per_second"], found[SAME_RUNTIME.get(name, name)]["per_second"]),
            times(one["per_cpu_second"], bulk),
            number(one["per_second"]),
            number(one["per_cpu_second"]),
        ]
        for name, one in found.items()
    ]
    rows.append(["`Tagger.tag` in bulk, int8", "–", "–", "1.00 ×", "–", number(bulk)])
    same = {name: found[name]["per_second"] / found[SAME_RUNTIME[name]]["per_second"] for name in ("int8", "torch")}
    cpu = found["int8"]["per_cpu_second"] / bulk
    notes = [
        f"{serve['clients']} clients, one sentence a request, {serve['seconds']:g} s a turn; medians of three, "
        "in turns. Clients and services share the machine; the CPU time is the service's.",
        *_against_before(found["int8"]["per_second"], base),
        *(
            f"Goal: of the same runtime at least {SAME:g} × `mlflow models serve`; here {ratio:.2f} × ({name}): "
            f"{met(ratio >= SAME)}."
            for name, ratio in same.items()
        ),
        f"Goal: sentences a CPU second at least {CPU:g} × the bulk's; here {cpu:.2f} × (int8): {met(cpu >= CPU)}.",
        *([] if serve["trained"] else ["No trained model: one with a random head stands in; run `dvc repro` first."]),
    ]
    header = [
        "service",
        f"against {COMMIT}",
        "against MLflow, same runtime",
        "CPU time against bulk",
        "sentences/s",
        "sentences/CPU s",
    ]
    return Table("Serving", header, rows, notes)


def _against_before(ours: float, base: float | None) -> Iterator[str]:
    if base is None:
        yield f"{COMMIT} is not in this clone's history (`git fetch --unshallow`), so nothing is compared with it."
    else:
        yield f"Goal: int8 at least {BEFORE:g} × {COMMIT}; here {ours / base:.2f} ×: {met(ours / base >= BEFORE)}."


def _under_load(serve: dict[str, Any]) -> Table:
    latency, (first, last) = serve["latency"], serve["memory_bytes"]
    one, p99 = latency["one_p50_ms"], latency["half_p99_ms"]
    rows = [
        ["one client, p50, ms", "1.00 ×", number(one)],
        ["half of the capacity, p50, ms", times(latency["half_p50_ms"], one), number(latency["half_p50_ms"])],
        ["half of the capacity, p99, ms", times(p99, one), number(p99)],
        ["memory after a minute, MB", "1.00 ×", number(first / 1e6)],
        ["memory after ten minutes, MB", times(last, first), number(last / 1e6)],
    ]
    notes = [
        f"int8. Half of the capacity: {number(latency['half_per_second'])} requests a second, at random moments, timed "
        "from the moment at which each was to be sent. Memory: of all processes of the service, under 32 clients.",
        f"Goal: p99 at most {P99:g} × p50 of one client; here {p99 / one:.2f} ×: {met(p99 <= P99 * one)}.",
        f"Goal: memory at most {MEMORY:g} × after a minute; here {last / first:.3f} ×: {met(last <= MEMORY * first)}.",
    ]
    return Table("A service under load", ["what", "against the first", "value"], rows, notes)
