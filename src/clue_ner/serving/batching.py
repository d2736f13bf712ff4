"""Groups the texts of all requests for one worker: as soon as it is free, it gets the waiting texts, up to a budget.

A text never waits for a group to fill. Requests take turns text by text, so that one with many texts does not delay the
others.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from clue_ner.serving.metrics import Metrics
from clue_ner.serving.processes import Found, NoModelError, Worker, WorkerDiedError

TEXT_COST = 16
"""Fixed cost of a text, in characters."""
FIRST_SPEED = 2000.0
"""Assumed characters per second before anything was measured."""


class OverloadedError(Exception):
    """More characters are waiting than allowed; in ``seconds`` there may be room."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class Tagged(NamedTuple):
    """The entities of each text of a request, and the worker that computed all of them."""

    found: list[list[Found]]
    worker: Worker


class _Job:
    """A request's texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.worker: Worker | None = None
        """the worker that computes it; fixed from the first text on, so that one version computes the whole request"""
        self.begun = 0
        self.found: list[list[Found] | None] = [None] * len(texts)
        self.left = len(texts)
        self.done: asyncio.Future[Tagged] = asyncio.get_running_loop().create_future()

    @property
    def is_waiting(self) -> bool:
        return self.begun < len(self.texts) and not self.done.done()


class Batcher:
    """The queue of requests, and the loop that computes them."""

    def __init__(self, worker: Worker, *, budget: int, capacity: int, seconds: float, metrics: Metrics) -> None:
        """``worker`` computes the texts.

        - ``budget``: characters of a group; a longer text is a group by itself
        - ``capacity``: maximum characters that may wait
        - ``seconds``: maximum time from the arrival of a request to its response
        """
        self.worker, self.metrics = worker, metrics
        self._budget, self._capacity, self._seconds = budget, capacity, seconds
        self._jobs: deque[_Job] = deque()
        self._open: set[_Job] = set()
        self._wanted = asyncio.Event()
        self._waiting = 0
        self._speed = FIRST_SPEED
        metrics.waiting.set_function(lambda: self._waiting)
        metrics.open.set_function(lambda: len(self._open))

    async def tag(self, texts: Sequence[str]) -> Tagged:
        """The entities of each text.

        Raises OverloadedError if too much is waiting; WorkerDiedError if the process died while computing it;
        NoModelError if the process had died before and the model cannot be loaded again; TimeoutError after too long.
        """
        size = sum(map(_cost, texts))
        if self._waiting and self._waiting + size > self._capacity:
            raise OverloadedError(
                f"too much is waiting: {self._waiting} characters, at most {self._capacity} are allowed",
                self._room_in(size),
            )
        if not texts:
            return Tagged([], self.worker)
        job = _Job(texts)
        self._jobs.append(job)
        self._open.add(job)
        self._waiting += size
        self._wanted.set()
        try:
            async with asyncio.timeout(self._seconds):
                return await job.done
        finally:
            self._open.discard(job)
            self._waiting -= sum(map(_cost, job.texts[job.begun :]))
            job.begun = len(job.texts)

    async def run(self) -> None:
        """Compute the waiting texts; never returns."""
        while True:
            await self._wanted.wait()
            group = self._next_group()
            if not group:
                self._wanted.clear()
                continue
            await self._compute(group)

    def is_used(self, worker: Worker) -> bool:
        """Whether ``worker`` has started a request that is not finished."""
        return any(job.worker is worker for job in self._open)

    async def _compute(self, group: list[tuple[_Job, int]]) -> None:
        worker = group[0][0].worker
        assert worker is not None
        texts = [job.texts[number] for job, number in group]
        size = sum(map(len, texts))
        started = time.perf_counter()
        try:
            found = await worker.tag(texts, self._seconds)
        except (WorkerDiedError, NoModelError) as error:
            for job, _ in group:
                if not job.done.done():
                    job.done.set_exception(error)
            return
        seconds = time.perf_counter() - started
        if size:
            self._speed += 0.1 * (size / seconds - self._speed)
        self.metrics.group(len(texts), size, seconds)
        for (job, number), entities in zip(group, found, strict=True):
            job.found[number] = entities
            job.left -= 1
            if not job.left and not job.done.done():
                job.done.set_result(Tagged(job.found, worker))  # type: ignore[arg-type]

    def _next_group(self) -> list[tuple[_Job, int]]:
        """The next texts to compute together, each as its job and its index there; empty if none is waiting."""
        group: list[tuple[_Job, int]] = []
        others: list[_Job] = []
        size, worker = 0, None
        while self._jobs:
            job = self._jobs.popleft()
            if not job.is_waiting:
                continue
            job.worker = job.worker or self.worker
            worker = worker or job.worker
            cost = _cost(job.texts[job.begun])
            if job.worker is not worker:
                others.append(job)
                continue
            if group and size + cost > self._budget:
                self._jobs.appendleft(job)
                break
            group.append((job, job.begun))
            job.begun += 1
            size += cost
            self._waiting -= cost
            if job.is_waiting:
                self._jobs.append(job)
        self._jobs.extendleft(reversed(others))
        return group

    def _room_in(self, size: int) -> int:
        """Estimated seconds until there is room for ``size`` more characters."""
        return max(1, math.ceil((self._waiting + size - self._capacity) / self._speed))


def _cost(text: str) -> int:
    return len(text) + TEXT_COST
