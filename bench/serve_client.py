"""Clients of an HTTP service: ``python -m bench.serve_client FILE``, which has a ``Load`` as JSON; figures on stdout.

Connections stay open, requests and answers are not looked into beyond status and length, so that the clients take
little of the machine that they share with the service.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Load:
    """What is asked, by how many, for how long."""

    port: int
    path: str
    bodies: list[str]
    """one after the other, again and again"""
    clients: int
    """connections; each asks again when it has its answer"""
    seconds: float
    rate: float | None = None
    """requests a second, at random moments; then a connection asks when it is its turn"""


@dataclass
class Figures:
    """What came of it."""

    latencies: list[float] = field(default_factory=list)
    """seconds of each request that was answered with 200; with a rate, from the moment at which it was to be sent"""
    failed: int = 0
    seconds: float = 0.0


async def run(load: Load) -> Figures:
    """Ask, and what it took."""
    figures = Figures()
    bodies = [_request(load, body) for body in load.bodies]
    place = iter(range(sys.maxsize))
    started = time.perf_counter()
    due: asyncio.Queue[float] = asyncio.Queue()

    async def closed() -> float | None:
        now = time.perf_counter()
        return now if now < started + load.seconds else None

    async def opened() -> float | None:
        moment = await due.get()
        return moment if moment < started + load.seconds else None

    tasks = [
        _client(load.port, bodies, place, closed if load.rate is None else opened, figures) for _ in range(load.clients)
    ]
    if load.rate is not None:
        tasks.append(_moments(load, started, due))
    await asyncio.gather(*tasks)
    figures.seconds = time.perf_counter() - started
    return figures


async def _moments(load: Load, started: float, due: "asyncio.Queue[float]") -> None:
    """When requests are to be sent: as of many clients that do not know of each other."""
    assert load.rate is not None
    generator, moment = random.Random(0), started
    while moment < started + load.seconds:
        moment += generator.expovariate(load.rate)
        await asyncio.sleep(max(0.0, moment - time.perf_counter()))
        due.put_nowait(moment)
    for _ in range(load.clients):
        due.put_nowait(float("inf"))


async def _client(
    port: int, bodies: list[bytes], place: Any, turn: Callable[[], Awaitable[float | None]], figures: Figures
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (moment := await turn()) is not None:
        writer.write(bodies[next(place) % len(bodies)])
        if await _status(reader) == 200:
            figures.latencies.append(time.perf_counter() - moment)
        else:
            figures.failed += 1
    writer.close()


async def _status(reader: asyncio.StreamReader) -> int:
    """Read an answer: its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


def _request(load: Load, body: str) -> bytes:
    content = body.encode()
    head = f"POST {load.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def main() -> None:
    """Run the load that a file describes."""
    load = Load(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    print(json.dumps(vars(asyncio.run(run(load)))))


if __name__ == "__main__":
    main()
