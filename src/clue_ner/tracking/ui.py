"""MLflow's UI: starts a server if the store has none, and prints the addresses of its experiments."""

import contextlib
import errno
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from clue_ner.common.errors import TrackingError
from clue_ner.common.redaction import redact
from clue_ner.tracking import view
from clue_ner.tracking.store import PATIENT, QUICK, Store, connect, translated, waiting

HOST, PORT = "127.0.0.1", 5000
PORTS = 100
"""Number of ports that are tried, from the first on."""
START_SECONDS = 120
"""Seconds in which a server must answer."""
STOP_SECONDS = 10
LOG = ".tracking/ui.log"
"""The server's log file."""

_log = logging.getLogger(__name__)


def show(root: Path, port: int | None, say: Callable[[str], None]) -> None:
    """Print the addresses of the experiments in the repository's store, and run MLflow's server until Ctrl-C.

    If the store is a server, none is started. ``port`` is on 127.0.0.1; by default the first free one from 5000. Raises
    TrackingError if the store does not answer, the port is in use, or the server does not start.
    """
    with waiting(PATIENT):
        store = connect(root)
        if _is_web(store):
            _say(store, store.uri, say)
            return
    with _server(store, _free_port(port)) as (process, address):
        _say(store, address, say)
        say("Ctrl-C ends it")
        if process.wait():
            raise TrackingError(f"MLflow's server ended with status {process.returncode}; see {store.home / LOG}")


def announce(root: Path, experiment: str) -> None:
    """Log the address of an experiment's runs; nothing if the store does not answer or lacks the experiment."""
    with contextlib.suppress(TrackingError), waiting(QUICK):
        store = connect(root)
        with translated(f"MLflow at {store.uri}"):
            found = store.client.get_experiment_by_name(experiment)
        if found is None:
            return
        key = view.newest(found.tags)
        if _is_web(store):
            _log.info("the run in MLflow: %s", view.address(store.uri, found.experiment_id, key))
        else:
            address = view.address(f"http://{HOST}:{PORT}", found.experiment_id, key)
            _log.info("the run in MLflow: `make ui`, then %s", address)


def addresses(store: Store, server: str) -> list[tuple[str, str]]:
    """Name and address of each experiment with runs of this project; the one with the newest run first."""
    found = []
    with translated(f"MLflow at {store.uri}"):
        for experiment in store.client.search_experiments():
            if (run := _newest_run(store, experiment.experiment_id)) is not None:
                key = view.newest(experiment.tags) or _keep(store, run)  # none yet: of an earlier release
                address = view.address(server, experiment.experiment_id, key)
                found.append((run.info.start_time, experiment.name, address))
    return [(name, address) for _, name, address in sorted(found, reverse=True)]


def _newest_run(store: Store, experiment: str) -> Any:
    filter_ = "tags.`clue_ner.corpus` != ''"
    runs = store.client.search_runs([experiment], filter_, max_results=1, order_by=["attributes.start_time DESC"])
    return runs[0] if runs else None


def _keep(store: Store, run: Any) -> str | None:
    by_type = sorted(name for name in run.data.metrics if name.startswith(f"{view.MICRO}."))
    return view.keep(store, run.info.experiment_id, by_type, run.data.tags["clue_ner.corpus"])


def _say(store: Store, server: str, say: Callable[[str], None]) -> None:
    say(f"MLflow at {redact(store.uri)}")
    found = addresses(store, server)
    for name, address in found:
        say(f"{name}: {address}")
    if not found:
        say(f"{server}, without a run yet: `make demo` or `dvc repro` makes one")


def _is_web(store: Store) -> bool:
    return store.uri.startswith(("http:", "https:"))


def _free_port(asked: int | None) -> int:
    """The requested port, or the first free one; raises TrackingError if there is none."""
    for port in range(PORT, PORT + PORTS) if asked is None else [asked]:
        obstacle = _obstacle(port)
        if obstacle is None:
            return port
    if asked is None:
        raise TrackingError(f"{HOST}: none of the ports {PORT} to {PORT + PORTS - 1} is free; name another one: PORT=…")
    raise TrackingError(f"port {asked} of {HOST}: {obstacle}; name another one, or none for the first free one")


def _obstacle(port: int) -> str | None:
    """Why a port cannot be used; None if it can."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=2):
        return os.strerror(errno.EADDRINUSE)  # also if a server on all addresses lets a second one bind to this address
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return str(error.strerror)
    return None


@contextlib.contextmanager
def _server(store: Store, port: int) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """MLflow's server on a store, with its address, once it answers; it is stopped when the block ends."""
    address = f"http://{HOST}:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    environment = {
        "MLFLOW_BACKEND_STORE_URI": store.uri,  # not an option: it can hold a password
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_UVICORN_OPTS": "--log-level warning",
    }
    log = store.home / LOG
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as said:  # a process group, so that the server's child processes end too
        process = subprocess.Popen(
            command,
            cwd=store.home,
            env=os.environ | environment,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        with _interrupted_by(signal.SIGTERM, signal.SIGHUP):
            _wait(process, address, log)
            yield process, address
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Wait until the server answers."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            last = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
            raise TrackingError(redact(f"MLflow's server did not start: {last} ({log} has the rest)"))
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=2):
            return
        time.sleep(0.1)
    raise TrackingError(f"MLflow's server did not answer on {address} within {START_SECONDS} seconds; see {log}")


@contextlib.contextmanager
def _interrupted_by(*signals: signal.Signals) -> Iterator[None]:
    """Let these signals end the block as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = [(number, signal.signal(number, interrupt)) for number in signals]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
