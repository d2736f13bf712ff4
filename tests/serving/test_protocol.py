"""Connections that are slow, or too many."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.serving import Server, served, until


@pytest.fixture(scope="module")
def strict(export: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that waits for nobody longer than a second, and has room for eight."""
    options = "--network-timeout", 1, "--max-connections", 8, "--max-body", 2**22, "--max-characters", 2**20
    with served("--model", export, *options, "--max-waiting", 2**22, folder=tmp_path_factory.mktemp("s")) as running:
        yield running


def rest(connection: socket.socket) -> bytes:
    """All that comes until the connection is closed."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            received += piece
    return received


@pytest.mark.parametrize("begun", [b"", b"G", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_head_that_does_not_arrive_is_given_up(strict: Server, begun: bytes) -> None:
    with strict.connect() as connection:
        connection.sendall(begun)
        assert rest(connection).startswith(b"HTTP/1.1 408 ")


def test_a_head_that_comes_byte_by_byte_is_given_up(strict: Server) -> None:
    with strict.connect() as connection:
        connection.settimeout(0.2)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
        for _ in range(100):
            try:
                connection.sendall(b"a")
                if connection.recv(100):
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                return
        pytest.fail("it was listened to for 20 s")


def test_the_second_head_on_a_connection_is_given_up_too(strict: Server) -> None:
    with strict.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /heal")
        assert b"HTTP/1.1 408 " in rest(connection)


def test_a_head_without_end_is_refused(strict: Server) -> None:
    with strict.connect() as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nX-Long: " + b"a" * 2**17)
        assert rest(connection)[:13] in (b"HTTP/1.1 400 ", b"")
    assert strict.ask("/healthz").status == 200


def test_a_client_that_takes_no_answer_is_given_up(strict: Server) -> None:
    text = "李雷" * 80_000
    body = f'{{"text": "{text}"}}'.encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((strict.host, strict.port))
        head = f"POST /tag HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        until(lambda: strict.metric('clue_ner_requests_total{path="/tag",status="200"}') == 1)
        until(lambda: not _is_open(strict, connection.getsockname()[1]))


def _is_open(server: Server, port: int) -> bool:
    """Whether the service has a connection to this port of a client."""
    import psutil

    return any(c.raddr and c.raddr.port == port for c in psutil.Process(server.process.pid).net_connections("tcp"))


def test_more_connections_than_there_is_room_for_are_refused(strict: Server) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(strict.connect())
        answer = rest(stack.enter_context(strict.connect()))
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 1" in answer
    until(lambda: _asked(strict) == 200)


def _asked(server: Server) -> int:
    with contextlib.suppress(OSError):
        return server.ask("/healthz").status
    return 0
