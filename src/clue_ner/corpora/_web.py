"""Getting a file by URL: with an end to waiting, a bound on size and attempts, and no password in any message."""

import time
from dataclasses import dataclass, field

import httpx2

from clue_ner.common.errors import SourceError
from clue_ner.common.redaction import redact
from clue_ner.common.retry import retried, within

PATIENCE = 7.0
"""Seconds to wait for a first answer, and then between two pieces of it."""

LONGEST = 600.0
"""Seconds after which a download is given up that still goes on, all attempts together."""

LARGEST = 64 * 2**20
"""Bytes that are read before a download is given up."""


class _PassingError(SourceError):
    """What may be otherwise a moment later."""


@dataclass
class _Download:
    """What has arrived of ``url``, of which ``version`` (ETag or Last-Modified), and when (monotonic) it has to end."""

    url: str
    end: float
    content: bytearray = field(default_factory=bytearray)
    version: str | None = None

    @property
    def name(self) -> str:
        return _name(self.url)

    def headers(self) -> dict[str, str]:
        """Of the next request: what is still missing, if the server has that version still."""
        plain = {"Accept-Encoding": "identity"}
        if not (self.content and self.version):
            return plain
        return plain | {"Range": f"bytes={len(self.content)}-", "If-Range": self.version}


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

    A server's own errors (HTTP 5xx, 429) and broken connections are tried again, from where they broke off if the
    server can. Raises SourceError that names the file: no answer, an answer other than 200, redirects without end, an
    HTML page, less than was announced, too much, or too slow.
    """
    download = _Download(url, time.monotonic() + LONGEST)
    return retried(lambda: _read(download), lambda error: isinstance(error, _PassingError))


def _read(download: _Download) -> bytes | None:
    """One attempt, which adds to what those before it read."""
    name, content = download.name, download.content
    with _client() as client:
        response = _open(client, download.url, download.headers())
        status = response.status_code
        if status in (403, 404):
            return None
        if status >= 500 or status in (408, 429):
            raise _PassingError(f"{name}: answered HTTP {status}")
        resumed = status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {len(content)}-")
        if not resumed:
            content.clear()
        if status != 200 and not resumed:
            raise SourceError(f"{name}: answered HTTP {status}")
        if (encoding := response.headers.get("Content-Encoding", "identity")) != "identity":
            raise SourceError(f"{name}: sent as {encoding}, wanted as it is")
        download.version = response.headers.get("ETag") or response.headers.get("Last-Modified")
        try:
            for piece in response.iter_bytes():
                content += piece
                if len(content) > LARGEST:
                    raise SourceError(f"{name}: more than the {LARGEST} bytes that a file may have")
                if time.monotonic() > download.end:
                    raise SourceError(f"{name}: too slow, {len(content)} bytes in {LONGEST:.0f} s")
        except httpx2.HTTPError as error:
            kind = SourceError if isinstance(error, httpx2.TimeoutException) else _PassingError
            raise kind(f"{name}: broke off after {len(content)} bytes ({error})") from None
    if content.lstrip()[:1] == b"<":
        raise SourceError(f"{name}: an HTML page, not a file of a corpus")
    return bytes(content)


def _name(url: str) -> str:
    return redact(url).partition("?")[0].rstrip("/").rpartition("/")[2]


def _client() -> httpx2.Client:
    return httpx2.Client(timeout=PATIENCE, follow_redirects=True)


def _open(client: httpx2.Client, url: str, headers: dict[str, str] | None = None) -> httpx2.Response:
    """The answer with its body still to be read; user and password leave the URL, which the client logs."""
    try:
        target = httpx2.URL(url)
        request = client.build_request("GET", target.copy_with(username=None, password=None), headers=headers)
        auth = httpx2.BasicAuth(target.username, target.password) if target.userinfo else None
        return within(PATIENCE, lambda: client.send(request, auth=auth, stream=True))
    except httpx2.InvalidURL:
        raise SourceError(f"{_name(url)}: not a URL") from None
    except httpx2.TooManyRedirects:
        raise SourceError(f"{_name(url)}: redirected in a circle, without end") from None
    except (httpx2.ReadError, httpx2.RemoteProtocolError) as error:
        raise _PassingError(f"{_name(url)}: no answer ({error})") from None
    except (httpx2.HTTPError, TimeoutError) as error:
        raise SourceError(f"{_name(url)}: no answer ({str(error) or f'waited {PATIENCE:.0f} s'})") from None
