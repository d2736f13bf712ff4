"""The service on a socket: checks of addresses and token files, signals, and the HTTP server."""

import asyncio
import contextlib
import gc
import ipaddress
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from clue_ner.common.errors import ServingError
from clue_ner.core.device import AUTO, unused_gpu
from clue_ner.serving import app
from clue_ner.serving.guard import Access
from clue_ner.serving.protocol import limited
from clue_ner.serving.service import Limits, Model, Service

SHORTEST_TOKEN = 16
HEAD_BYTES = 2**14
"""Maximum size of a request's line and headers."""
KEEP_ALIVE = 30
"""Seconds after which an idle connection is closed."""


def run(model: Model, limits: Limits, access: Access, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT, and then until all accepted requests are answered.

    Raises ServingError if the address or the model cannot be used, and KeyboardInterrupt after SIGINT.
    """
    with listening(host, port) as place:
        if asyncio.run(_serve(model, limits, access, place)) == signal.SIGINT:
            raise KeyboardInterrupt


def check_address(host: str, has_token: bool) -> None:
    """Raise ServingError for an address that other machines can reach, unless there is a token."""
    try:
        is_local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = False
    if not is_local and not has_token:
        raise ServingError(
            f"--host {host}: anybody on other machines could send requests; add --token-file FILE, or stay on 127.0.0.1"
        )


def read_token(path: Path) -> str:
    """The token in a file that only its owner, or their group, may read; otherwise raises ServingError."""
    try:
        mode = path.stat().st_mode
        content = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ServingError(f"{path}: {error.strerror}; wanted a file with the token") from None
    except UnicodeDecodeError:
        raise ServingError(f"{path}: not ASCII, wanted a token such as `openssl rand -hex 32` makes") from None
    if mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
        raise ServingError(f"{path}: its mode is {stat.S_IMODE(mode):o}, so others may use it; run `chmod 600 {path}`")
    if len(content) < SHORTEST_TOKEN or not content.isprintable() or " " in content:
        raise ServingError(
            f"{path}: found {len(content)} characters, wanted one token of at least {SHORTEST_TOKEN}, without spaces, "
            "such as `openssl rand -hex 32` makes"
        )
    return content


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket bound to the address, not listening yet. Raises ServingError if the address is not available."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        place = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ServingError(f"--host {host}: {error.strerror or error}; wanted an address of this machine") from None
    with place:
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            place.bind(address)
        except OSError as error:
            raise ServingError(
                f"{host}:{port}: {error.strerror}; choose another with --port, or 0 for one that is free"
            ) from None
        yield place


class _Server(uvicorn.Server):
    """uvicorn, which reports when it listens, and leaves what comes after a signal to its caller."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self.caught: signal.Signals | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT; a second SIGINT does not wait for answers."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        yield

    def _stop(self, number: signal.Signals) -> None:
        self.caught, self._service.is_ending = number, True
        self.handle_exit(number, None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and print the address."""
        gc.freeze()  # later collections skip what is loaded now, so they are short
        await super().startup(sockets)
        for place in sockets or ():
            host, port = place.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            print(f"listening on http://{shown}:{port}", file=sys.stderr, flush=True)  # noqa: T201


async def _serve(model: Model, limits: Limits, access: Access, place: socket.socket) -> signal.Signals | None:
    async with Service(model, limits).running() as service:
        described = service.pool.description
        shown = f"{service.pool.name}, runtime {described.runtime} on {described.device}"
        print(f"model: {shown}", file=sys.stderr, flush=True)  # noqa: T201
        if model.device == AUTO and (unused := unused_gpu(described.device)) is not None:
            print(unused, file=sys.stderr, flush=True)  # noqa: T201
        config = uvicorn.Config(
            app.create(service, access),
            loop="asyncio",
            http=limited(limits.network_seconds, limits.connections),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            h11_max_incomplete_event_size=HEAD_BYTES,
            backlog=limits.connections,
        )
        server = _Server(config, service)
        await server.serve([place])
        return server.caught
