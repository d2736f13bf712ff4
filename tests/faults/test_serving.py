"""The service under bad clients and too many of them, with real connections, and stopped under load.

``FUZZ`` is how many malformed requests are sent, ``LOAD_SECONDS`` how long there are too many.
"""

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.graphs import write_graphs
from support.serving import Answer, Server, ask_on, served, until
from support.tiny import TAGS, tiny_tagger_folder

from clue_ner.tagger.tagger import Tagger

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

FUZZ, SECONDS, SEED = (int(os.environ.get(n, v)) for n, v in (("FUZZ", 10_000), ("LOAD_SECONDS", 60), ("SEED", 1)))
TEXT = "李雷昨天在上海"


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as models/export."""
    folder = tmp_path_factory.mktemp("export")
    write_graphs(Tagger.load(tiny_tagger_folder(folder / "tagger", lexicon=TAGS), "torch"), folder)
    return folder


def surfaces(answer: Answer) -> list[str]:
    return [entity["text"] for result in answer.json["results"] for entity in result["entities"]]


@contextlib.contextmanager
def clients(number: int, act: Callable[[], None]) -> Iterator[None]:
    """Have ``act`` done again and again by some threads, during the block; what one raises is raised at its end."""
    going = threading.Event()

    def client() -> None:
        while not going.is_set():
            act()

    with ThreadPoolExecutor(number) as pool:
        done = [pool.submit(client) for _ in range(number)]
        try:
            yield
        finally:
            going.set()
        for each in done:
            each.result()


def test_slow_and_half_open_clients_hold_up_nobody(export: Path, tmp_path: Path, fault: Callable[[str], None]) -> None:
    fault("the service: slow and half-open clients")
    with served("--model", export, "--network-timeout", 2, folder=tmp_path) as server, contextlib.ExitStack() as stack:
        heads = [b"", b"POST", b"POST /tag HTTP/1.1\r\nHost: localhost\r\n", _head(50), _head(50) + b'{"text"']
        slow = [stack.enter_context(server.connect()) for _ in range(200)]
        for number, connection in enumerate(slow):
            connection.sendall(heads[number % len(heads)])
        end = time.monotonic() + 8
        while time.monotonic() < end:
            assert surfaces(server.tag(TEXT)) == ["李雷", "上海"]
            for connection in slow[::2]:
                with contextlib.suppress(OSError):
                    connection.send(b"a")
        for connection in slow:
            connection.settimeout(5)
            with contextlib.suppress(ConnectionError):
                while connection.recv(4096):
                    pass
        until(lambda: len(psutil.Process(server.process.pid).net_connections("tcp")) <= 2)
        assert "Traceback" not in server.said


def _head(length: int) -> bytes:
    lines = (
        "POST /tag HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        "",
        "",
    )
    return "\r\n".join(lines).encode()


def test_malformed_requests_are_refused_and_the_next_is_answered(
    export: Path, tmp_path: Path, fault: Callable[[str], None]
) -> None:
    fault("the service: malformed requests")
    generator = random.Random(SEED)
    with served("--model", export, "--network-timeout", 1, folder=tmp_path) as server:
        document = server.ask("/openapi.json").json
        paths = [
            (path, method.upper(), of["responses"])
            for path, each in document["paths"].items()
            for method, of in each.items()
        ]
        examples = [
            e["value"]
            for e in document["paths"]["/tag"]["post"]["requestBody"]["content"]["application/json"][
                "examples"
            ].values()
        ]
        found: Counter[int] = Counter()
        for number in range(FUZZ):
            path, method, responses = generator.choice(paths)
            if generator.random() < 0.3:
                status = _raw(server, _broken_bytes(generator, method, path))
                assert status in (0, 200, 400, 401, 403, 404, 405, 408, 411, 413, 415, 421, 422, 431, 501, 505), status
            else:
                body = json.dumps(_mutated(generator, generator.choice(examples))).encode()
                if generator.random() < 0.2:
                    body = _flipped(generator, body)
                answer = server.ask(path, body if method == "POST" else None, method=method)
                status = answer.status
                assert str(status) in responses, (path, status, body)
                assert status < 500, (path, status, body)
                if status != 200:
                    assert list(answer.json) == ["error"]
            found[status] += 1
            if number % 500 == 0:
                assert surfaces(server.tag(TEXT)) == ["李雷", "上海"]
        assert found[200] > FUZZ / 20
        assert found[422] > FUZZ / 20
        assert found[400] > FUZZ / 20
        assert server.metric("clue_ner_worker_starts") == 1
        assert "Traceback" not in server.said


def _mutated(generator: random.Random, value: Any) -> Any:
    """``value`` with something in it changed, now and then nothing."""
    odd = [None, True, -1, 2**80, 1e308, "", "\ud83d", "李雷\0", "a" * 5000, [], {}, [[[]]], {"text": 1}, {"id": None}]
    kind = generator.random()
    if kind < 0.15:
        return value
    if isinstance(value, dict) and value:
        changed = dict(value)
        key = generator.choice(list(changed))
        if kind < 0.3:
            del changed[key]
        elif kind < 0.45:
            changed[generator.choice(["text", "texts", "id", "min_score", "types", "x"])] = generator.choice(odd)
        else:
            changed[key] = _mutated(generator, changed[key])
        return changed
    if isinstance(value, list) and value and kind < 0.7:
        place = generator.randrange(len(value))
        return [*value[:place], _mutated(generator, value[place]), *value[place + 1 :]]
    return generator.choice(odd)


def _flipped(generator: random.Random, content: bytes) -> bytes:
    """``content`` with a few bytes changed, left out or put in."""
    changed = bytearray(content)
    for _ in range(generator.randint(1, 4)):
        place = generator.randrange(len(changed) + 1)
        changed[place : place + generator.randint(0, 2)] = generator.randbytes(generator.randint(0, 2))
    return bytes(changed)


def _broken_bytes(generator: random.Random, method: str, path: str) -> bytes:
    """A request whose bytes are wrong somewhere, also in its line and headers."""
    body = b'{"text": "a"}'
    head = _head(len(body)).replace(b"POST /tag", f"{method} {path}".encode())
    return _flipped(generator, head + body)


def _raw(server: Server, content: bytes) -> int:
    """The status of the first answer; 0 if the connection is just closed."""
    with server.connect() as connection, contextlib.suppress(ConnectionError):
        connection.settimeout(10)
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        received = connection.recv(4096)
        return int(received.split(b" ", 2)[1]) if received.startswith(b"HTTP/1.1 ") else 0
    return 0


def test_three_times_the_capacity_is_refused_in_part_and_nothing_hangs(
    export: Path, tmp_path: Path, fault: Callable[[str], None]
) -> None:
    fault("the service: three times its capacity")
    text = TEXT * 60
    with served("--model", export, "--max-waiting", 20 * len(text), "--timeout", 20, folder=tmp_path) as server:
        found: Counter[int] = Counter()

        def ask() -> None:
            answer = server.ask("/tag", {"text": text}, timeout=25)
            found[answer.status] += 1
            if answer.status == 200:
                assert surfaces(answer) == ["李雷", "上海"] * 60
            else:
                assert answer.status == 503
                assert int(answer.headers["retry-after"]) >= 1

        memory = psutil.Process(server.process.pid).memory_info().rss
        with clients(60, ask):
            time.sleep(SECONDS)
        assert found[200] > 0
        assert found[503] > 0
        assert set(found) == {200, 503}
        assert psutil.Process(server.process.pid).memory_info().rss < memory + 100 * 2**20
        assert surfaces(server.tag(TEXT)) == ["李雷", "上海"]
        assert server.metric("clue_ner_waiting_characters") == 0
        assert "Traceback" not in server.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_under_load_answers_what_was_asked(
    export: Path, tmp_path: Path, fault: Callable[[str], None], number: signal.Signals
) -> None:
    fault("the service: stopped under load")
    with served("--model", export, folder=tmp_path) as server:
        answered: list[Answer] = []

        def client() -> None:
            """Ask on one connection until the service says that it ends, and then until it refuses connections."""
            while True:
                connection = http.client.HTTPConnection(server.host, server.port, timeout=30)
                try:
                    connection.connect()
                except OSError:
                    return
                with contextlib.closing(connection):
                    while True:
                        answer = ask_on(connection, "/tag", {"texts": [TEXT] * 5})
                        answered.append(answer)
                        if answer.headers.get("connection") == "close":
                            return

        with ThreadPoolExecutor(20) as pool:
            done = [pool.submit(client) for _ in range(20)]
            time.sleep(2)
            server.process.send_signal(number)
            for each in done:
                each.result()
        assert server.process.wait(30) == (0 if number == signal.SIGTERM else 130)
        assert {answer.status for answer in answered} == {200}
        assert all(surfaces(answer) == ["李雷", "上海"] * 5 for answer in answered)
        assert "Traceback" not in server.said


def test_workers_killed_under_load_cost_only_what_they_computed(
    export: Path, tmp_path: Path, fault: Callable[[str], None]
) -> None:
    fault("the service: workers killed under load")
    with served("--model", export, folder=tmp_path) as server:
        found: Counter[int] = Counter()

        def ask() -> None:
            answer = server.tag(TEXT)
            found[answer.status] += 1
            assert answer.status in (200, 500)
            if answer.status == 200:
                assert surfaces(answer) == ["李雷", "上海"]

        with clients(8, ask):
            for starts in range(2, 7):
                time.sleep(0.5)
                server.worker().kill()
                until(lambda starts=starts: server.metric("clue_ner_worker_starts") >= starts)
                before = found[200]
                until(lambda before=before: found[200] > before)
        assert found[500] <= 5 * 8
        assert server.tag(TEXT).status == 200
        assert "Traceback" not in server.said
