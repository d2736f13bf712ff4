"""``clue-ner serve`` under load, beside ``mlflow models serve`` now and at commit 3ec9ba5, and the tagger in bulk."""

import contextlib
import json
import logging
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from bench import baseline, commands, light
from bench.inputs import ROOT
from bench.light import Side
from bench.serve_client import Load
from bench.tagging import BULK
from clue_ner.common.files import write_json
from clue_ner.evaluation.predictions import to_score

CLIENTS, SECONDS, ROUNDS = 32, 20.0, 3
"""Of each turn: clients, each with one sentence a request, and how long; turns of each service."""
WARM_UP = 3.0
RUNTIMES = ("int8", "torch")
MEMORY = (60.0, 600.0)
"""Seconds under load after which the memory is taken."""
START_SECONDS = 120.0
SAVE = """
import sys
from pathlib import Path

import clue_ner
import mlflow.pyfunc

export, folder, runtime = sys.argv[1:]
source = Path(clue_ner.__file__).parent
mlflow.pyfunc.save_model(
    folder,
    python_model=str(source / "tracking" / "served_model.py"),
    artifacts={name: str(Path(export, name).resolve()) for name in ("tagger", "onnx")},
    model_config={"runtime": runtime},
    code_paths=[str(source)],
    pip_requirements=[],
)
"""
"""In the code of a side: folder as models/export, folder of what MLflow serves, runtime; 3ec9ba5 always takes torch."""

logger = logging.getLogger("clue_ner.bench")


@dataclass(frozen=True)
class Running:
    """A service that answers."""

    process: psutil.Process
    port: int
    path: str
    bodies: list[str]

    def load(self, clients: int, seconds: float, rate: float | None = None) -> Load:
        """Clients that ask it."""
        return Load(self.port, self.path, self.bodies, clients, seconds, rate)

    def cpu_seconds(self) -> float:
        """CPU time of it and all its processes until now."""
        return sum(times.user + times.system for times in (each.cpu_times() for each in self._all()))

    def memory_bytes(self) -> int:
        """Memory of all its processes that no other process shares."""
        return sum(each.memory_full_info().uss for each in self._all())

    def _all(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


def measure(root: Path, place: Path, seconds: float = SECONDS, memory: tuple[float, float] = MEMORY) -> dict[str, Any]:
    """Throughput, latencies, CPU time and memory of services of the model in the repository ``root``.

    Texts are those in ``place``; ``seconds`` is how long each turn takes; ``memory`` is as ``MEMORY``.
    """
    texts = [sentence.text for sentence in to_score(place)[1]][:BULK]
    folder, variables = place / "serve", commands.environment(ROOT) | light.ON_CPU
    folder.mkdir()
    model, trained = light.our_model(root, place, folder / "ours")
    ours = Side("clue_ner.cli.main", model, variables)
    served = {f"mlflow_{runtime}": (Side("", model, variables), runtime) for runtime in RUNTIMES}
    if source := baseline.unpack(ROOT, folder, variables):
        before = {**variables, "PYTHONPATH": str(source)}
        served["baseline"] = Side("", baseline.convert(model, folder / "baseline", before), before), "torch"
    found: dict[str, Any] = {"trained": trained, "clients": CLIENTS, "seconds": seconds}
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(our_service(ours, texts, name, folder)) for name in RUNTIMES}
        for name, (side, runtime) in served.items():
            running[name] = stack.enter_context(mlflow_service(side, texts, runtime, folder / f"served-{name}"))
        found["throughput"] = throughput(running, folder, seconds)
        int8 = running["int8"]
        found["latency"] = latency(int8, folder, seconds, found["throughput"]["int8"]["per_second"])
        found["bulk_per_cpu_second"] = bulk(ours, texts, folder)
        found["memory_bytes"] = memory_under_load(int8, folder, memory)
    return found


def throughput(running: Mapping[str, Running], folder: Path, seconds: float) -> dict[str, dict[str, float]]:
    """Sentences a second and sentences a CPU second of each service under ``CLIENTS``, in turns: medians."""
    turns: dict[str, list[tuple[float, float]]] = {name: [] for name in running}
    for service in running.values():
        ask(service.load(CLIENTS, min(WARM_UP, seconds)), folder)
    for _ in range(ROUNDS):
        for name, service in running.items():
            before = service.cpu_seconds()
            figures = ask(service.load(CLIENTS, seconds), folder)
            done = len(figures["latencies"])
            turns[name].append((done / figures["seconds"], done / (service.cpu_seconds() - before)))
    medians = {name: np.median(of_one, axis=0) for name, of_one in turns.items()}
    return {name: {"per_second": float(m[0]), "per_cpu_second": float(m[1])} for name, m in medians.items()}


def latency(service: Running, folder: Path, seconds: float, capacity: float) -> dict[str, float]:
    """Milliseconds: of one client, and of requests at random moments, half as many as it can answer."""
    one = ask(service.load(1, seconds), folder)["latencies"]
    half = ask(service.load(4 * CLIENTS, seconds, capacity / 2), folder)["latencies"]
    return {
        "one_p50_ms": 1e3 * float(np.median(one)),
        "half_p50_ms": 1e3 * float(np.median(half)),
        "half_p99_ms": 1e3 * float(np.percentile(half, 99)),
        "half_per_second": capacity / 2,
    }


def memory_under_load(service: Running, folder: Path, moments: tuple[float, float]) -> list[int]:
    """Bytes at each of the moments, in seconds, of one load."""
    found, now = [], 0.0
    for moment in moments:
        ask(service.load(CLIENTS, moment - now), folder)
        found.append(service.memory_bytes())
        now = moment
    return found


def bulk(side: Side, texts: Sequence[str], folder: Path) -> float:
    """Sentences a CPU second of ``Tagger.tag`` on all texts at once, int8: the median."""
    write_json(folder / "texts.json", texts)
    with light.worker(side, folder / "texts.json", ["int8"]) as worker:
        worker.answer()
        turns = [worker.ask(do="bulk", runtime="int8")["cpu_seconds"] for _ in range(ROUNDS)]
    return len(texts) / float(np.median(turns))


def ask(load: Load, folder: Path) -> dict[str, Any]:
    """Run a load in a process of its own: its ``Figures``; RuntimeError if a request was not answered with 200."""
    write_json(folder / "load.json", asdict(load))
    command = [sys.executable, "-m", "bench.serve_client", str(folder / "load.json")]
    figures: dict[str, Any] = json.loads(commands.run(command, ROOT, commands.environment(ROOT)).stdout)
    if figures["failed"] or not figures["latencies"]:
        raise RuntimeError(f"{figures['failed']} requests failed, {len(figures['latencies'])} did not: {load.path}")
    return figures


@contextlib.contextmanager
def our_service(side: Side, texts: Sequence[str], runtime: str, folder: Path) -> Iterator[Running]:
    """``clue-ner serve``; ended with the block."""
    options = ["--model", str(side.model.resolve()), "--runtime", runtime, "--port", "0"]
    bodies = [json.dumps({"text": text}) for text in texts]
    log = folder / f"serve-{runtime}.log"
    with _process([sys.executable, "-m", side.cli, "serve", *options], side.variables, log) as process:
        port = int(_until(lambda: re.search(r"listening on http://\S+:(\d+)\n", log.read_text()), process, log)[1])
        yield Running(process, port, "/tag", bodies)


@contextlib.contextmanager
def mlflow_service(side: Side, texts: Sequence[str], runtime: str, folder: Path) -> Iterator[Running]:
    """``mlflow models serve`` of the model with the code of its side, in ``runtime``; ended with the block."""
    commands.run([sys.executable, "-c", SAVE, str(side.model), str(folder), runtime], ROOT, side.variables)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = ["-m", str(folder), "-p", str(port), "-h", "127.0.0.1", "--env-manager", "local", "--workers", "1"]
    log = folder.with_suffix(".log")
    with _process([sys.executable, "-m", "mlflow", "models", "serve", *options], side.variables, log) as process:
        _until(lambda: _is_up(port), process, log)
        yield Running(process, port, "/invocations", [json.dumps({"inputs": [text]}) for text in texts])


@contextlib.contextmanager
def _process(command: Sequence[str], variables: Mapping[str, str], log: Path) -> Iterator[psutil.Process]:
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=ROOT, env=dict(variables), stdout=stream, stderr=stream)
    children = psutil.Process(process.pid)
    try:
        yield children
    finally:
        for each in [*children.children(recursive=True), children]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait()


def _until(true: Any, process: psutil.Process, log: Path) -> Any:
    """What ``true`` gives, once it is true; RuntimeError with the log if the process ends, or it takes too long."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if found := true():
            return found
        time.sleep(0.1)
    raise RuntimeError(f"the service did not come up:\n{log.read_text()[-2000:]}")


def _is_up(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
