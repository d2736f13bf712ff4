"""uvicorn's HTTP protocol with additional limits: slow headers, responses that are not read, number of connections."""

import asyncio
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

GRACE = 1.0
"""Seconds in which a seemingly idle connection may still deliver a request when the service ends."""
FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Type: application/json\r\n"
    b"Content-Length: 33\r\n\r\n" + b'{"error": "too many connections"}'
)
LATE = (
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: application/json\r\n"
    b"Content-Length: 45\r\n\r\n" + b'{"error": "the head of the request was late"}'
)


class _Joined:
    """A transport that sends what is written in one turn of the event loop at once: headers and body in one packet."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._send)
        self._parts.append(data)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        parts, self._parts = self._parts, []
        if not self._transport.is_closing():
            self._transport.write(b"".join(parts))


class LimitedProtocol(H11Protocol):
    """A connection; the limits are set by ``limited``."""

    seconds: ClassVar[float]
    """for the headers of a request to arrive, and for a client to read a pending response"""
    most: ClassVar[int]
    """maximum number of connections"""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, or refuse it."""
        super().connection_made(_Joined(transport, self.loop))  # type: ignore[arg-type]
        self._head: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        transport.set_write_buffer_limits(high=0)  # so that pause_writing is called whenever the client reads slowly
        if len(self.connections) > self.most:
            transport.write(FULL)
            transport.close()
        else:
            self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Handle received data."""
        super().data_received(data)
        self._watch_head()

    def on_response_complete(self) -> None:
        """Limit the wait for the rest of a header that has begun; uvicorn limits only the wait for a new one."""
        super().on_response_complete()
        if self.conn.trailing_data[0]:
            self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers."""
        for timer in (self._head, self._unread):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read what was sent: wait for ``seconds``."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read everything."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def shutdown(self) -> None:
        """The service ends: answer the requests that have begun or arrive within ``GRACE``."""
        self.loop.call_later(GRACE, self._end)

    def _end(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()

    def _watch_head(self) -> None:
        """Run a timer while the header of a request is incomplete; uvicorn closes idle connections."""
        if self.conn.their_state is h11.IDLE:
            if self._head is None:
                self._head = self.loop.call_later(self.seconds, self._head_is_late)
        elif self._head is not None:
            self._head.cancel()
            self._head = None

    def _head_is_late(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(LATE)
            self.transport.close()


def limited(seconds: float, most: int) -> type[Any]:
    """The protocol with these limits."""
    return type("LimitedProtocol", (LimitedProtocol,), {"seconds": seconds, "most": most})
