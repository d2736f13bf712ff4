"""The service's side of its processes: starts them, sends requests, restarts them when they die, and ends them."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clue_ner.common.errors import ServingError
from clue_ner.common.redaction import redact
from clue_ner.serving import messages
from clue_ner.serving.worker import ModelDescription

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before the next attempt of a worker that could not load its model; doubled each time."""

Found = tuple[str, int, int, float]
"""An entity: type, start, end, score."""

_log = logging.getLogger(__name__)


class WorkerDiedError(Exception):
    """The process ended, or was ended, while it computed; the message contains how."""


class NoModelError(Exception):
    """The process died, and the model cannot be loaded again at present."""

    def __init__(self) -> None:
        super().__init__("the model cannot be loaded again just now; the log says why")


@dataclass(frozen=True)
class Version:
    """A model's name and version, as in each response."""

    name: str
    """of the registered model, or the last part of the folder's path; the full path is not disclosed"""
    version: str
    """of the registered model, or the first twelve characters of the training's fingerprint"""


async def start(module: str, *arguments: object) -> Process:
    """A Python process that runs a module of this package, connected by pipes, out of reach of a terminal's Ctrl-C."""
    command = [sys.executable, "-m", f"clue_ner.serving.{module}", *map(str, arguments)]
    return await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, start_new_session=True)


async def end(process: Process, seconds: float = 5.0) -> None:
    """End a process by closing its standard input; kill it if that takes more than ``seconds``."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        _kill(process)
        await process.wait()


def _kill(process: Process) -> None:
    """Kill a process that is still running.

    ``process.kill`` would fetch the exit status first, and asyncio, which then cannot get it, would report 255.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


class Worker:
    """A model in a separate process, which is restarted whenever it dies."""

    def __init__(self, name: str, folder: Path, runtime: str, device: str, threads: int | None) -> None:
        """``name`` is that of a registered version, ``models:/NAME/VERSION``, or of a folder."""
        self.name, self.starts = name, 0
        self._command = "worker", folder, runtime, device, threads or 0
        self._process: Process | None = None
        self._description: ModelDescription | None = None
        self._version: Version | None = None
        self._settled, self._stopped = asyncio.Event(), False
        self._keeper: asyncio.Task[None] | None = None
        self.failure: str | None = None
        """the reason why the last attempt to reload the model failed"""

    async def start(self) -> None:
        """Load the model; raises ServingError if that fails. After that the process is restarted whenever it dies."""
        await self._load()
        self._keeper = asyncio.create_task(self._keep())

    @property
    def is_ready(self) -> bool:
        """Whether the model is loaded."""
        return self._settled.is_set() and self.failure is None and not self._stopped

    @property
    def process_id(self) -> int | None:
        """The process id, if the process is running."""
        return None if self._process is None else self._process.pid

    @property
    def description(self) -> ModelDescription:
        """The model's own description; available once it was loaded."""
        assert self._description is not None
        return self._description

    @property
    def version(self) -> Version:
        """The model's name and version in responses; available once it was loaded."""
        assert self._version is not None
        return self._version

    async def tag(self, texts: Sequence[str], seconds: float) -> list[list[Found]]:
        """The entities of each text, once the model is loaded; one call at a time.

        Raises WorkerDiedError if the process ends meanwhile, or is killed because it took more than ``seconds``, and
        NoModelError if the model cannot be loaded again.
        """
        process = await self._when_ready(seconds)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(seconds):
                process.stdin.write(messages.pack(texts))
                await process.stdin.drain()
                return await messages.receive(process.stdout)  # type: ignore[no-any-return]
        except (EOFError, ConnectionError):
            self._end_at_once(process)
            raise WorkerDiedError(f"the process that computed it ended ({_ending(await process.wait())})") from None
        except TimeoutError:
            self._end_at_once(process)
            raise WorkerDiedError(
                f"it took more than {seconds:g} s, so the process that computed it was ended"
            ) from None

    async def stop(self) -> None:
        """End the process."""
        if self._keeper is not None:
            self._keeper.cancel()
        self._stopped = True
        self._settled.set()
        if self._process is not None:
            await end(self._process)

    async def _when_ready(self, seconds: float) -> Process:
        """The process, as soon as it has loaded its model."""
        try:
            async with asyncio.timeout(seconds):
                await self._settled.wait()
        except TimeoutError:
            raise WorkerDiedError(f"no process had the model within {seconds:g} s") from None
        if self._stopped:
            raise WorkerDiedError("the process that should compute it was ended: its model has been replaced")
        if self.failure is not None:
            raise NoModelError
        assert self._process is not None
        return self._process

    def _end_at_once(self, process: Process) -> None:
        """Kill the process if it is still running; another one is then started."""
        self._settled.clear()
        _kill(process)

    async def _load(self) -> None:
        process = self._process = await start(*self._command)
        self.starts += 1
        assert process.stdout is not None
        try:
            hello = await messages.receive(process.stdout)
        except EOFError:
            hello = {"error": f"{self.name}: the process that loads it ended ({_ending(await process.wait())})"}
        except asyncio.CancelledError:
            await end(process, 0)
            raise
        if "error" in hello:
            await process.wait()
            raise ServingError(hello["error"])
        described = ModelDescription(**hello["model"])
        if self._description is not None and described.fingerprint != self._description.fingerprint:
            await end(process, 0)
            raise ServingError(
                f"{self.name}: found the model of training {described.fingerprint[:12]} instead of "
                f"{self._description.fingerprint[:12]}, which is served; restart the service to serve it"
            )
        self._description, self._version = described, _version(self.name, described)
        self.failure = None
        self._settled.set()

    async def _keep(self) -> None:
        """Reload the model whenever its process has ended."""
        pause = FIRST_PAUSE
        while True:
            assert self._process is not None
            ended = await self._process.wait()
            if self.failure is None:
                self._settled.clear()
                _log.error("%s: the process that computes ended (%s); it is restarted", self.name, _ending(ended))
            try:
                await self._load()
                pause = FIRST_PAUSE
            except ServingError as error:
                self.failure = str(error)
                self._settled.set()
                _log.error("%s; next try in %g s", redact(self.failure), pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)


def _version(name: str, described: ModelDescription) -> Version:
    registered, slash, number = name.removeprefix("models:/").rpartition("/")
    if name.startswith("models:/") and slash:
        return Version(registered, number)
    return Version("/".join(Path(name).parts[-2:]), described.fingerprint[:12])


def _ending(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"exit status {status}"


async def ask_registry(address: str) -> dict[str, Any]:
    """What ``address`` refers to now: its ``name`` and ``folder``; raises ServingError if MLflow does not respond."""
    process = await start("registry_watch", address, 0)
    assert process.stdout is not None
    try:
        answer: dict[str, Any] = await messages.receive(process.stdout)
    except EOFError:
        answer = {"error": f"{address}: the process that asks MLflow ended ({_ending(await process.wait())})"}
    finally:
        await end(process)
    if "error" in answer:
        raise ServingError(answer["error"])
    return answer
