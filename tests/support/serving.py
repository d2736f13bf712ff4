"""``clue-ner serve`` in a process of its own, and clients that ask it."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from support.places import ROOT

JSON = {"Content-Type": "application/json"}
LISTENING = re.compile(r"listening on http://(.+):(\d+)\n")


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """A running service."""

    def __init__(self, process: "subprocess.Popen[str]", host: str, port: int, lines: list[str]) -> None:
        self.process, self.host, self.port, self.lines = process, host, port, lines
        """``lines``: what it wrote to stderr until now"""

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def said(self) -> str:
        return "".join(self.lines)

    def ask(
        self,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        method: str | None = None,
        timeout: float = 60,
    ) -> Answer:
        """One request on a connection of its own; ``body`` is sent as JSON unless it is bytes."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        with contextlib.closing(connection):
            return ask_on(connection, path, body, headers, method)

    def tag(self, *texts: str, **options: Any) -> Answer:
        return self.ask("/tag", {"texts": list(texts), **options})

    def at_once(self, bodies: Sequence[Any], clients: int = 8) -> list[Answer]:
        """The answers to ``bodies`` of /tag, asked by several clients, each on one connection."""

        def client(mine: Sequence[int]) -> list[tuple[int, Answer]]:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
            with contextlib.closing(connection):
                return [(number, ask_on(connection, "/tag", bodies[number])) for number in mine]

        with ThreadPoolExecutor(clients) as pool:
            found = pool.map(client, [range(start, len(bodies), clients) for start in range(clients)])
            return [answer for _, answer in sorted(pair for pairs in found for pair in pairs)]

    def worker(self) -> psutil.Process:
        """The process that computes; waits for it if it is being started."""
        for _ in range(600):
            with contextlib.suppress(psutil.Error):
                for child in psutil.Process(self.process.pid).children():
                    if "clue_ner.serving.worker" in child.cmdline():
                        return child
            time.sleep(0.05)
        raise AssertionError(f"no worker: {self.said}")

    @contextlib.contextmanager
    def held(self) -> Iterator[psutil.Process]:
        """Have the worker stand still in the block."""
        worker = self.worker()
        worker.suspend()
        try:
            yield worker
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.resume()

    def metric(self, name: str) -> float:
        """A value of /metrics; 0 if it is not there."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.ask("/metrics").body.decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection((self.host, self.port), timeout=60)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and the exit status."""
        self.process.send_signal(number)
        return self.process.wait(60)


def ask_on(
    connection: http.client.HTTPConnection,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    method: str | None = None,
) -> Answer:
    """One request on an open connection."""
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    given = JSON if content is not None and headers is None else headers or {}
    connection.request(method or ("GET" if content is None else "POST"), path, content, given)
    response = connection.getresponse()
    return Answer(response.status, {n.lower(): v for n, v in response.getheaders()}, response.read())


@contextlib.contextmanager
def served(*options: object, folder: Path, **environment: str) -> Iterator[Server]:
    """``clue-ner serve`` with these options, in ``folder``, on a free port; killed in the end if it still runs."""
    process = start(*options, folder=folder, **environment)
    try:
        yield listening(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def start(*options: object, folder: Path, **environment: str) -> "subprocess.Popen[str]":
    """The process of ``clue-ner serve``; what it says is for ``listening`` to read."""
    command = [sys.executable, "-c", "from clue_ner.cli.main import main; main()", "serve", "--port", "0"]
    path = os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [*command, *map(str, options)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"} | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def listening(process: "subprocess.Popen[str]") -> Server:
    """The service, once it listens; AssertionError with what it said if it ends."""
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if found := LISTENING.fullmatch(line):
            threading.Thread(target=lambda: lines.extend(process.stderr or ()), daemon=True).start()
            return Server(process, found[1].strip("[]"), int(found[2]), lines)
    raise AssertionError(f"exit status {process.wait()}: {''.join(lines)}")


def until(true: Callable[[], Any], seconds: float = 60) -> Any:
    """What ``true`` gives, once it is true; AssertionError if that does not happen."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s")
