"""The model in use and the queue before it; with ``follow``, the model changes when the registry's alias does."""

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
"""Seconds between two looks at whether the old model is still needed."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What a request, or all of them together, may take."""

    body_bytes: int = 2**20
    texts: int = 256
    characters: int = 20_000
    """of one text"""
    waiting: int = 65_536
    """characters that may wait to be computed, of all requests"""
    group: int = 1024
    """characters that are computed together"""
    seconds: float = 30.0
    """from a request's arrival to its answer, and for a model to compute a group"""
    connections: int = 512
    network_seconds: float = 10.0
    """for a client to send a request's head, and its body, and to take some of the answer"""


@dataclass(frozen=True)
class Model:
    """What is to be served."""

    name: str
    """of a folder, or of a model in MLflow's registry"""
    runtime: str = "auto"
    workers: int | None = None
    threads: int | None = None
    follow: bool = False
    poll_seconds: float = 30.0


class Service:
    """A model that is loaded, and its queue."""

    def __init__(self, model: Model, limits: Limits) -> None:
        self.model, self.limits, self.metrics = model, limits, Metrics()
        self.batcher: Batcher
        self._computing: asyncio.Task[None]
        self.is_ending = False
        """whether clients are to leave: what they have asked is answered"""

    @property
    def pool(self) -> Pool:
        """The workers that compute new requests."""
        return self.batcher.pool

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Service"]:
        """Load the model, compute, follow; raises ServingError if the model cannot be had."""
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
        pool = Pool(name, folder, self.model.runtime, self.model.workers, self.model.threads)
        await pool.start()
        return pool

    async def _follow(self) -> None:
        """Ask the registry again and again, and change to the version that the alias stands for; never ends."""
        complaint = ""
        async for answer in self._answers():
            error = answer.get("error")
            if error is None and answer["name"] != self.pool.name:
                try:
                    await self._change(answer["name"], Path(answer["folder"]))
                except ServingError as failed:
                    error = f"{answer['name']}: {failed}; {self.pool.name} is used further"
            if error is not None:
                self.metrics.follow_errors.inc()
                if error != complaint:
                    _log.error("%s", redact(error))
            complaint = error or ""

    async def _answers(self) -> AsyncIterator[dict[str, str]]:
        """What the registry says, every ``poll_seconds``; the process that asks is started again if it dies."""
        while True:
            process = await processes.start("registry_watch", self.model.name, self.model.poll_seconds)
            assert process.stdout is not None
            try:
                while True:
                    yield await messages.receive(process.stdout)
            except EOFError:
                yield {"error": f"{self.model.name}: the process that asks MLflow ended; it is started again"}
                await asyncio.sleep(self.model.poll_seconds)
            finally:
                await processes.end(process)

    async def _change(self, name: str, folder: Path) -> None:
        """Load another model aside, give it requests that were not begun, and end the old one when it is free."""
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
