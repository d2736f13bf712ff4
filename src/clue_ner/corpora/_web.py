"""Getting a file by URL: with an end to waiting, a bound on size, and no password in any message."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

import httpx2

from clue_ner.errors import SourceError, redact

PATIENCE = 7.0
"""Seconds to wait for a first answer, and then between two pieces of it."""

LARGEST = 64 * 2**20
"""Bytes that are read before a download is given up."""

T = TypeVar("T")


def within(seconds: float, call: Callable[[], T]) -> T:
    """What ``call`` returns; TimeoutError after ``seconds``, also where it waits without a timeout (name look-up)."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future.result(timeout=seconds)


def silence(url: str) -> str | None:
    """Why nothing answers at ``url``, or None if something does, whatever it says."""
    try:
        with _client() as client:
            _open(client, url).close()
    except SourceError as error:
        return str(error)
    return None


def get(url: str) -> bytes | None:
    """The content at ``url``; None where the server says there is no such file (HTTP 404, some stores say 403).

    Raises SourceError that names the file: no answer, an answer other than 200, an HTML page, less than was announced,
    or too much.
    """
    with _client() as client:
        response = _open(client, url)
        if response.status_code in (403, 404):
            return None
        if response.status_code != 200:
            raise SourceError(f"{_name(url)}: answered HTTP {response.status_code}")
        content = bytearray()
        try:
            for piece in response.iter_bytes():
                content += piece
                if len(content) > LARGEST:
                    raise SourceError(f"{_name(url)}: more than the {LARGEST} bytes that a file may have")
        except httpx2.HTTPError as error:
            raise SourceError(f"{_name(url)}: broke off after {len(content)} bytes ({error})") from None
    if content.lstrip()[:1] == b"<":
        raise SourceError(f"{_name(url)}: an HTML page, not a file of a corpus")
    return bytes(content)


def _name(url: str) -> str:
    return redact(url).partition("?")[0].rstrip("/").rpartition("/")[2]


def _client() -> httpx2.Client:
    return httpx2.Client(timeout=PATIENCE, follow_redirects=True)


def _open(client: httpx2.Client, url: str) -> httpx2.Response:
    """The answer with its body still to be read; user and password leave the URL, which the client logs."""
    try:
        target = httpx2.URL(url)
        request = client.build_request("GET", target.copy_with(username=None, password=None))
        auth = httpx2.BasicAuth(target.username, target.password) if target.userinfo else None
        return within(PATIENCE, lambda: client.send(request, auth=auth, stream=True))
    except httpx2.InvalidURL:
        raise SourceError(f"{_name(url)}: not a URL") from None
    except (httpx2.HTTPError, TimeoutError) as error:
        raise SourceError(f"{_name(url)}: no answer ({str(error) or f'waited {PATIENCE:.0f} s'})") from None
