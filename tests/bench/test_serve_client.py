import asyncio
import time
from typing import ClassVar

import pytest
from support.servers import Handler, serve

from bench.serve_client import Load, run


def service(status: int = 200, seconds: float = 0.0) -> type[Handler]:
    """A service that answers every POST with ``status``, after ``seconds``."""

    class Service(Handler):
        protocol_version = "HTTP/1.1"
        requests: ClassVar[list[str]] = []

        def do_POST(self) -> None:
            self.requests.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            time.sleep(seconds)
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

    return Service


def test_every_client_asks_one_body_after_the_other() -> None:
    handler = service()
    with serve(handler) as url:
        figures = asyncio.run(run(Load(int(url.rpartition(":")[2]), "/tag", ["a", "上海"], 3, 0.3)))
    assert len(figures.latencies) == len(handler.requests) > 6
    assert set(handler.requests) == {"a", "上海"}
    assert abs(handler.requests.count("a") - handler.requests.count("上海")) <= 1
    assert figures.seconds >= 0.3 and not figures.failed


def test_what_is_not_answered_with_200_has_failed() -> None:
    with serve(service(503)) as url:
        figures = asyncio.run(run(Load(int(url.rpartition(":")[2]), "/tag", ["a"], 1, 0.2)))
    assert figures.failed > 0 and figures.latencies == []


def test_with_a_rate_the_time_begins_when_the_request_was_to_be_sent() -> None:
    with serve(service(seconds=0.1)) as url:
        figures = asyncio.run(run(Load(int(url.rpartition(":")[2]), "/tag", ["a"], 1, 0.3, rate=50)))
    assert max(figures.latencies) >= 0.1 * len(figures.latencies) - 0.3  # the last has waited for those before it
    assert len(figures.latencies) > 5


@pytest.mark.parametrize("clients", [1, 4])
def test_a_rate_is_kept(clients: int) -> None:
    handler = service()
    with serve(handler) as url:
        asyncio.run(run(Load(int(url.rpartition(":")[2]), "/tag", ["a"], clients, 1.0, rate=50)))
    assert 25 <= len(handler.requests) <= 80
