"""Downloads a small file by URL, with limits on time, size and attempts; passwords never appear in messages."""

import time
from typing import Any

from clue_ner.common import proxies
from clue_ner.common.errors import SourceError
from clue_ner.common.redaction import redact
from clue_ner.common.retry import retried, within

PATIENCE = 7.0
"""Maximum seconds until the first response and between two parts of it."""

LONGEST = 600.0
"""Maximum seconds for a download with all attempts."""

LARGEST = 64 * 2**20
"""Maximum size of a file in bytes."""


class _PassingError(SourceError):
    """A failure that may be temporary."""


def get(url: str) -> bytes | None:
    """The content at ``url``; None if the server does not have the file (HTTP 404; some stores answer 403).

    Server errors (HTTP 5xx, 408, 429) and broken connections are retried from the start of the file.
    Raises SourceError with the file's name: no response, another status, endless redirects, an HTML page, less
    content than announced, too much, or too slow.
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
    """One attempt, which is aborted at the time ``end`` of the monotonic clock."""
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
                raise SourceError(f"{name}: sent with Content-Encoding {encoding}, wanted none")
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
