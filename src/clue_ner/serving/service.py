"""The model in use and its queue; with ``follow``, the model is replaced when the registry's alias moves."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from clue_ner.common.errors import ServingError
from clue_ner.common.paths import is_registry_name
from clue_ner.common.redaction import redact
from clue_ner.serving import messages, processes
from clue_ner.serving.batching import Batcher
from clue_ner.serving.metrics import Metrics
from clue_ner.serving.pool import Pool

DRAIN_INTERVAL = 0.05
"""Seconds between two checks whether the old model is still needed."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """The limits of a request, or of all of them together."""

    body_bytes: int = 2**20
    texts: int = 256
    characters: int = 20_000
    """maximum length of a text in characters"""
    waiting: int = 65_536
    """maximum number of waiting characters of all requests"""
    group: int = 1024
    """maximum number of characters that are computed together"""
    seconds: float = 30.0
    """from the arrival of a request to its response, and for the computation of a group"""
    connections: int = 512
    network_seconds: float = 10.0
    """for a client to send the headers of a request, to send its body, and to read a part of the response"""


@dataclass(frozen=True)
class Model:
    """What to serve."""

    name: str
    """a folder, or a model in MLflow's registry"""
    runtime: str = "auto"
    workers: int | None = None
    threads: int | None = None
    device: str = "auto"
    follow: bool = False
    poll_seconds: float = 30.0


class Service:
    """A loaded model and its queue."""

    def __init__(self, model: Model, limits: Limits) -> None:
        self.model, self.limits, self.metrics = model, limits, Metrics()
        self.batcher: Batcher
        self._computing: asyncio.Task[None]
        self.is_ending = False
        """whether connections are to be closed, after pending requests have been answered"""

    @property
    def pool(self) -> Pool:
        """The workers that compute new requests."""
        return self.batcher.pool

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Service"]:
        """Load the model, compute, follow the alias; raises ServingError if the model cannot be loaded."""
        pool = await self._first_pool()
        limits = self.limits
        self.batcher = Batcher(
            pool, budget=limits.group, capacity=limits.waiting, seconds=limits.seconds, metrics=self.metrics
        )
        self._show(pool)
        self._computing = asyncio.create_task(self.batcher.run(pool))
        following = asyncio.create_task(self._follow()) if self.model.follow else None
        try:
            yield self
        finally:
            for task in filter(None, (following, self._computing)):
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            await self.pool.stop()

    async def _first_pool(self) -> Pool:
        name, folder = self.model.name, Path(self.model.name)
        if is_registry_name(name):
            answer = await processes.ask_registry(name)
            name, folder = answer["name"], Path(answer["folder"])
        return await self._load(name, folder)

    async def _load(self, name: str, folder: Path) -> Pool:
        model = self.model
        pool = Pool(name, folder, model.runtime, model.device, model.workers, model.threads)
        await pool.start()
        return pool

    async def _follow(self) -> None:
        """Query the registry again and again, and switch to the version that the alias refers to; never returns."""
        complaint = ""
        async for answer in self._answers():
            error = answer.get("error")
            if error is None and answer["name"] != self.pool.name:
                try:
                    await self._change(answer["name"], Path(answer["folder"]))
                except ServingError as failed:
                    error = f"{answer['name']}: {failed}; {self.pool.name} stays in use"
            if error is not None:
                self.metrics.follow_errors.inc()
                if error != complaint:
                    _log.error("%s", redact(error))
            complaint = error or ""

    async def _answers(self) -> AsyncIterator[dict[str, str]]:
        """The registry's answers, every ``poll_seconds``; the process that queries it is restarted if it dies."""
        while True:
            process = await processes.start("registry_watch", self.model.name, self.model.poll_seconds)
            assert process.stdout is not None
            try:
                while True:
                    yield await messages.receive(process.stdout)
            except EOFError:
                yield {"error": f"{self.model.name}: the process that queries MLflow ended; it is restarted"}
                await asyncio.sleep(self.model.poll_seconds)
            finally:
                await processes.end(process)

    async def _change(self, name: str, folder: Path) -> None:
        """Load another model, give it the requests that have not started, and end the old one when it is idle."""
        new, old = await self._load(name, folder), self.pool
        replaced, self._computing = self._computing, asyncio.create_task(self.batcher.run(new))
        self.batcher.change(new)
        self._show(new)
        _log.warning("%s is served now, in place of %s", name, old.name)
        while self.batcher.is_used(old):
            await asyncio.sleep(DRAIN_INTERVAL)
        replaced.cancel()
        await asyncio.gather(replaced, return_exceptions=True)
        await old.stop()

    def _show(self, pool: Pool) -> None:
        version, described = pool.version, pool.description
        self.metrics.model.clear()
        self.metrics.model.labels(version.name, version.version, described.fingerprint, described.runtime).set(1)
        self.metrics.starts.set_function(lambda: self.pool.starts)
