"""A real MLflow server, and a proxy before it that makes it slow or broken."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from support.servers import serve


@contextlib.contextmanager
def server(folder: Path, port: int) -> Iterator[None]:
    """An MLflow server on the files in ``folder``, killed in the end."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = [
        "--backend-store-uri",
        f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination",
        str(folder / "files"),
    ]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [*command, *stores],
            env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        for _ in range(1200):
            assert process.poll() is None, (folder / "log").read_text()
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                break
            time.sleep(0.1)
        else:
            pytest.fail("the server did not come up within two minutes")
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Proxy:
    """What stands before a server: ``broken`` answers 500; ``slow`` answers late; ``held`` passes POSTs on late.

    ``late`` is in seconds; a ``held`` request reaches the server after its client has gone. ``wait`` for those.
    """

    def __init__(self, target: str, late: float = 10.0) -> None:
        self.target, self.late, self.mode = target, late, "open"
        self.asked: list[str] = []
        self._busy: set[threading.Thread] = set()

    def wait(self) -> None:
        """Until every request that came has been passed on and answered."""
        for thread in list(self._busy):
            thread.join()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(f"{handler.command} {handler.path}")
        if self.mode == "broken":
            return self._send(handler, 500, b"{}")
        body = _body(handler)
        mode = self.mode
        self._busy.add(threading.current_thread())
        try:
            if mode == "held" and handler.command == "POST":
                time.sleep(self.late)
            request = urllib.request.Request(self.target + handler.path, body, method=handler.command)
            for name, value in handler.headers.items():
                if name.lower() not in ("host", "content-length", "connection", "accept-encoding", "transfer-encoding"):
                    request.add_header(name, value)
            try:
                with urllib.request.urlopen(request, timeout=60) as response:
                    status, content = response.status, response.read()
            except urllib.error.HTTPError as error:
                status, content = error.code, error.read()
            if mode == "slow":
                time.sleep(self.late)
            with contextlib.suppress(OSError):
                self._send(handler, status, content)
        finally:
            self._busy.discard(threading.current_thread())

    @staticmethod
    def _send(handler: BaseHTTPRequestHandler, status: int, content: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)


def _body(handler: BaseHTTPRequestHandler) -> bytes | None:
    """Empty files come in chunks, of which there is none."""
    if handler.headers.get("Transfer-Encoding") != "chunked":
        length = handler.headers.get("Content-Length")
        return None if length is None else handler.rfile.read(int(length))
    body = b""
    while size := int(handler.rfile.readline(), 16):
        body += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return body


@contextlib.contextmanager
def proxied(target: str) -> Iterator[tuple[str, Proxy]]:
    """The URL of a ``Proxy`` before ``target``, and the proxy."""
    proxy = Proxy(target)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            proxy.answer(self)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with serve(Handler) as url:
        yield url, proxy
