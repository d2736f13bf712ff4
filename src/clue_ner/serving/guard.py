"""Checks of every request before the application: access, origin, size and time. An ASGI application around another.

A page of another site must not reach the service through a visitor's browser. So the ``Host`` must be an address or a
known name (DNS rebinding needs a name of the attacker's), the ``Origin`` must be the service's own or an allowed one,
and bodies must be JSON, which a browser does not send to another site without asking that site (CORS) first.
"""

import asyncio
import base64
import binascii
import hmac
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clue_ner.common.json_lines import to_json
from clue_ner.serving.service import Service

OPEN = frozenset({"/", "/page.css", "/page.js", "/favicon.ico", "/healthz", "/readyz"})
"""Paths that need no token: the page, which asks for the token, and the health checks."""
SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    ),
]
DRAINED = 8
"""A body of at most this multiple of the limit is read before it is refused."""
_PORT = re.compile(r":\d{1,5}$")


class RefusedError(Exception):
    """A request that is refused."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}


@dataclass(frozen=True)
class Access:
    """The access rules."""

    token: str | None = field(default=None, repr=False)
    hosts: frozenset[str] = frozenset()
    """host names of the service, in addition to ``localhost`` and all addresses"""
    origins: frozenset[str] = frozenset()
    """origins of other sites that may send requests, such as ``https://example.org``"""


class Guard:
    """``app`` behind the checks; ``app`` gets complete bodies."""

    def __init__(self, app: ASGIApp, access: Access, service: Service) -> None:
        self._app, self._access, self._service = app, access, service
        self._body_bytes, self._seconds = service.limits.body_bytes, service.limits.network_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or pass it to ``app``."""
        assert scope["type"] == "http", "the server speaks nothing else"

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                close = [(b"connection", b"close")] if self._service.is_ending else []
                message["headers"] = [*message.get("headers", ()), *SECURITY_HEADERS, *close]
            await send(message)

        try:
            self._check(scope, Headers(scope=scope))
            body = await self._body(scope, receive)
        except RefusedError as refused:
            await refuse(refused, send_safely)
            return
        await self._app(scope, _replay(body, receive), send_safely)

    def _check(self, scope: Scope, headers: Headers) -> None:
        host = headers.get("host", "")
        if not self._is_own_name(_PORT.sub("", host)):
            raise RefusedError(
                421,
                f"Host {host[:80]!r} is unknown; wanted an address or localhost, or allow it with --allow-host",
            )
        origin = headers.get("origin")
        if origin is not None and origin not in self._access.origins and origin.partition("://")[2] != host:
            raise RefusedError(403, f"Origin {origin[:80]!r} is not allowed; allow it with --allow-origin")
        if scope["path"] not in OPEN:
            self._check_token(headers.get("authorization", ""))
        if scope["method"] == "POST":
            kind = headers.get("content-type", "")
            if kind.partition(";")[0].strip().lower() != "application/json":
                raise RefusedError(415, f"Content-Type {kind[:80]!r}, wanted application/json")

    def _is_own_name(self, name: str) -> bool:
        if name.lower() == "localhost" or name.lower() in self._access.hosts:
            return True
        try:
            ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return True

    def _check_token(self, given: str) -> None:
        token = self._access.token
        if token is None:
            return
        if not hmac.compare_digest(_given_token(given), token.encode()):
            raise RefusedError(
                401,
                "no or a wrong token; wanted `Authorization: Bearer TOKEN`, as in the service's token file",
                {"WWW-Authenticate": 'Bearer realm="clue-ner", Basic realm="clue-ner"'},
            )

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """The request's body.

        A body that exceeds the limit by less than ``DRAINED`` times is read and discarded, because a client whose
        connection is closed while it sends does not see the reason.
        """
        said = Headers(scope=scope).get("content-length", "0")
        most, found, chunks = self._body_bytes, 0, list[bytes]()
        if not said.isdecimal() or len(said) > 15 or int(said) > DRAINED * most:
            raise _too_long(f"{said[:20]} bytes", most)
        try:
            async with asyncio.timeout(self._seconds):
                more = True
                while more and found <= DRAINED * most:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise RefusedError(400, "the client has disconnected")
                    chunk, more = message.get("body", b""), message.get("more_body", False)
                    found += len(chunk)
                    if found <= most:
                        chunks.append(chunk)
        except TimeoutError:
            raise RefusedError(
                408, f"the body did not arrive within {self._seconds:g} s", {"Connection": "close"}
            ) from None
        if found > most:
            raise _too_long(f"{found} bytes" if not more else f"more than {DRAINED * most} bytes", most)
        return b"".join(chunks)


def _too_long(found: str, most: int) -> RefusedError:
    return RefusedError(413, f"the body has {found}, wanted at most {most}", {"Connection": "close"})


def _given_token(authorization: str) -> bytes:
    """The token of the header: as Bearer, or as the password of Basic, for clients that can only send that."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
        except binascii.Error:
            pass
    return b""


def _replay(body: bytes, receive: Receive) -> Callable[[], Any]:
    """A ``receive`` that returns ``body`` first."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


async def refuse(refused: RefusedError, send: Send) -> None:
    """Send the response to a refused request."""
    content = to_json({"error": str(refused)}).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(content)), **refused.headers}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": int(HTTPStatus(refused.status)), "headers": raw})
    await send({"type": "http.response.body", "body": content})
