"""Getting a small file by URL: an end to waiting, a bound on size and attempts, and no password in any message."""

import time
from typing import Any

from clue_ner.common import proxies
from clue_ner.common.errors import SourceError
from clue_ner.common.redaction import redact
from clue_ner.common.retry import retried, within

PATIENCE = 7.0
"""Seconds to wait for a first answer, and then between two pieces of it."""

LONGEST = 600.0
"""Seconds that a download may take, all attempts together."""

LARGEST = 64 * 2**20
"""Bytes that a file may have."""


class _PassingError(SourceError):
    """What may be otherwise a moment later."""


def get(url: str) -> bytes | None:
    """The content at ``url``; None where the server has no such file (HTTP 404, some stores answer 403).

    A server's own errors (HTTP 5xx, 408, 429) and broken connections are tried again, from the start of the file.
    Raises SourceError that names the file: no answer, one of another status, redirects without end, an HTML page, less
    than was announced, too much, or too slow.
    """
    end = time.monotonic() + LONGEST
    return retried(lambda: _read(url, end), lambda error: isinstance(error, _PassingError))


def _client(name: str) -> Any:
    """A client for the file ``name``; SourceError if the environment's proxy cannot be used."""
    import httpx2

    try:
        return httpx2.Client(timeout=PATIENCE, follow_redirects=True)
    except (ImportError, ValueError, httpx2.InvalidURL) as error:
        if (problem := proxies.problem_of(error)) is None:
            raise
        raise SourceError(f"{name}: {problem}") from None


def _read(url: str, end: float) -> bytes | None:
    """One attempt, given up at the time ``end`` of the monotonic clock."""
    import httpx2

    name = redact(url).partition("?")[0].rstrip("/").rpartition("/")[2]
    content = bytearray()
    try:
        target = httpx2.URL(url)
        auth = httpx2.BasicAuth(target.username, target.password) if target.userinfo else None
        bare = target.copy_with(username=None, password=None)  # the client logs it
        with _client(name) as client:
            request = client.build_request("GET", bare, headers={"Accept-Encoding": "identity"})
            response = within(PATIENCE, lambda: client.send(request, auth=auth, stream=True))
            status = response.status_code
            if status in (403, 404):
                return None
            if status != 200:
                passing = status >= 500 or status in (408, 429)
                raise (_PassingError if passing else SourceError)(f"{name}: answered HTTP {status}")
            if (encoding := response.headers.get("Content-Encoding", "identity")) != "identity":
                raise SourceError(f"{name}: sent as {encoding}, wanted as it is")
            for piece in response.iter_bytes():
                content += piece
                if len(content) > LARGEST:
                    raise SourceError(f"{name}: more than the {LARGEST} bytes that a file may have")
                if time.monotonic() > end:
                    raise SourceError(f"{name}: too slow, {len(content)} bytes in {LONGEST:.0f} s")
    except httpx2.InvalidURL:
        raise SourceError(f"{name}: not a URL") from None
    except httpx2.TooManyRedirects:
        raise SourceError(f"{name}: redirected in a circle, without end") from None
    except (httpx2.HTTPError, TimeoutError) as error:
        what = f"broke off after {len(content)} bytes" if content else "no answer"
        passing = isinstance(error, httpx2.ReadError | httpx2.RemoteProtocolError)
        reason = str(error) or type(error).__name__
        raise (_PassingError if passing else SourceError)(f"{name}: {what} ({reason})") from None
    if content.lstrip()[:1] == b"<":
        raise SourceError(f"{name}: an HTML page, not a file of a corpus")
    return bytes(content)
