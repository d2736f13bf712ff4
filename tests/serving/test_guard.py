"""Who may ask: Host, Origin, content type, token; sizes and times of bodies."""

import base64
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.serving import JSON, Server, served

TOKEN = "0123456789abcdef-token"
BODY = {"text": "上海"}


@pytest.fixture(scope="module")
def closed(export: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with a token, a name, a known origin, and little patience."""
    folder = tmp_path_factory.mktemp("closed")
    file = folder / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o600)
    options = "--token-file", file, "--allow-host", "NER.example", "--allow-origin", "https://good.example"
    with served("--model", export, *options, "--network-timeout", 1, folder=folder) as running:
        yield running


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **JSON}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "LocalHost:80", "[::1]:9", "192.168.1.7"])
def test_addresses_and_localhost_are_answered(server: Server, host: str) -> None:
    assert server.ask("/healthz", headers={"Host": host}).status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "localhost.evil.example", "", "[::1"])
@pytest.mark.parametrize("path", ["/", "/tag", "/model", "/metrics"])
def test_other_names_are_refused(server: Server, host: str, path: str) -> None:
    body = BODY if path == "/tag" else None
    answer = server.ask(path, body, {"Host": host, **JSON})
    assert answer.status == 421
    assert "--allow-host" in answer.json["error"]


def test_a_name_that_was_allowed_is_answered(closed: Server) -> None:
    assert closed.ask("/healthz", headers={"Host": "ner.example:8000"}).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"])
def test_pages_of_other_sites_are_refused(server: Server, origin: str) -> None:
    answer = server.ask("/tag", BODY, {"Origin": origin, **JSON})
    assert answer.status == 403
    assert "access-control-allow-origin" not in answer.headers


def test_the_own_page_is_answered_and_no_other_gets_leave(server: Server) -> None:
    answer = server.ask("/tag", BODY, {"Origin": server.url, **JSON})
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers
    asked = {"Origin": "https://good.example", "Access-Control-Request-Method": "POST"}
    assert server.ask("/tag", headers=asked, method="OPTIONS").status == 403


def test_a_site_that_was_allowed_gets_leave(closed: Server) -> None:
    origin = {"Origin": "https://good.example"}
    asked = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    answer = closed.ask("/tag", headers=asked, method="OPTIONS")
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "https://good.example")
    answer = closed.ask("/tag", BODY, {**bearer(TOKEN), **origin})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "https://good.example")
    other = closed.ask("/tag", BODY, {**bearer(TOKEN), "Origin": "https://evil.example"})
    assert (other.status, "access-control-allow-origin" in other.headers) == (403, False)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/jsonx"]
)
def test_only_json_is_taken(server: Server, kind: str) -> None:
    answer = server.ask("/tag", BODY, {"Content-Type": kind})
    assert answer.status == 415
    assert "wanted application/json" in answer.json["error"]


def test_json_with_a_charset_is_taken(server: Server) -> None:
    assert server.ask("/tag", BODY, {"Content-Type": "Application/JSON; charset=utf-8"}).status == 200


def test_the_token_is_wanted_of_all_but_the_page_and_health(closed: Server) -> None:
    for path in ("/model", "/metrics", "/openapi.json", "/health", "/nothing"):
        answer = closed.ask(path)
        assert (answer.status, "Bearer" in answer.headers["www-authenticate"]) == (401, True), path
    for path in ("/", "/page.js", "/page.css", "/healthz", "/readyz"):
        assert closed.ask(path).status == 200, path
    assert closed.ask("/tag", BODY, bearer(TOKEN)).status == 200
    basic = base64.b64encode(f"anybody:{TOKEN}".encode()).decode()
    assert closed.ask("/tag", BODY, {"Authorization": f"Basic {basic}", **JSON}).status == 200


@pytest.mark.parametrize("given", ["", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "é"])
def test_a_wrong_token_is_refused_and_not_repeated(closed: Server, given: str) -> None:
    answer = closed.ask("/tag", BODY, bearer(given))
    assert answer.status == 401
    assert TOKEN not in answer.body.decode()
    for broken in ("Basic !", "Basic " + base64.b64encode(b"no colon").decode(), given or "x"):
        assert closed.ask("/tag", BODY, {"Authorization": broken, **JSON}).status == 401
    assert TOKEN not in closed.said


def test_every_answer_has_the_security_headers(closed: Server) -> None:
    for answer in (
        closed.ask("/"),
        closed.ask("/tag", BODY),
        closed.ask("/healthz"),
        closed.ask("/x", None, bearer(TOKEN)),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert "server" not in answer.headers


def raw(server: Server, content: bytes) -> bytes:
    """What a bare connection gets until it is closed."""
    with server.connect() as connection:
        connection.sendall(content)
        received = b""
        try:
            while piece := connection.recv(65536):
                received += piece
        except ConnectionError:
            pass
        return received


HEAD = b"POST /tag HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def test_a_long_body_is_refused_before_it_is_read(server: Server) -> None:
    answer = raw(server, HEAD + b"Content-Length: 8388609\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"at most 1048576" in answer


def test_a_long_body_in_chunks_is_refused(server: Server) -> None:
    chunk = b"10000\r\n" + b"a" * 2**16 + b"\r\n"
    assert raw(server, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + 17 * chunk + b"0\r\n\r\n").startswith(
        b"HTTP/1.1 413 "
    )


def test_a_body_without_end_is_cut_off(server: Server) -> None:
    chunk = b"100000\r\n" + b"a" * 2**20 + b"\r\n"
    with server.connect() as connection, contextlib.suppress(ConnectionError):
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(64):
            connection.sendall(chunk)
        pytest.fail("64 MB were taken")
    assert server.ask("/tag", BODY).status == 200


def test_a_body_that_does_not_arrive_is_refused(closed: Server) -> None:
    head = HEAD + f"Authorization: Bearer {TOKEN}\r\n".encode()
    answer = raw(closed, head + b'Content-Length: 100\r\n\r\n{"text": ')
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"within 1 s" in answer


def test_a_client_that_leaves_in_its_body_does_no_harm(closed: Server) -> None:
    for _ in range(20):
        with socket.create_connection((closed.host, closed.port)) as connection:
            connection.sendall(HEAD + f"Authorization: Bearer {TOKEN}\r\n".encode() + b"Content-Length: 100\r\n\r\n{")
    assert closed.ask("/tag", BODY, bearer(TOKEN)).status == 200
    assert "Traceback" not in closed.said
