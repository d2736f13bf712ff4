"""Groups the texts of all requests for workers: a free worker gets its share of the waiting texts, up to a budget.

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
from clue_ner.serving.pool import Pool
from clue_ner.serving.processes import Found, NoModelError, Worker, WorkerDiedError

TEXT_COST = 16
"""Fixed cost of a text, in characters."""
FIRST_SPEED = 2000.0
"""Characters per second of one worker assumed before anything was measured."""
RETRY_INTERVAL = 0.05
"""Seconds between two checks whether a worker that died has loaded the model again."""


class OverloadedError(Exception):
    """More characters are waiting than allowed; in ``seconds`` there may be room."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class Tagged(NamedTuple):
    """The entities of each text of a request, and the pool that computed all of them."""

    found: list[list[Found]]
    pool: Pool


class _Job:
    """A request's texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.pool: Pool | None = None
        """the pool that computes it; fixed from the first text on, so that one version computes the whole request"""
        self.begun = 0
        self.found: list[list[Found] | None] = [None] * len(texts)
        self.left = len(texts)
        self.done: asyncio.Future[Tagged] = asyncio.get_running_loop().create_future()

    @property
    def is_waiting(self) -> bool:
        return self.begun < len(self.texts) and not self.done.done()


class Batcher:
    """The queue of requests, and the loop that computes them."""

    def __init__(self, pool: Pool, *, budget: int, capacity: int, seconds: float, metrics: Metrics) -> None:
        """``pool`` computes new requests.

        - ``budget``: characters of a group; a longer text is a group by itself
        - ``capacity``: maximum characters that may wait
        - ``seconds``: maximum time from the arrival of a request to its response
        """
        self.pool, self.metrics = pool, metrics
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
            return Tagged([], self.pool)
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

    async def run(self, pool: Pool) -> None:
        """Compute waiting texts with the workers of ``pool`` until this task is cancelled."""
        async with asyncio.TaskGroup() as loops:
            for worker in pool.workers:
                loops.create_task(self._run(worker, pool))

    def change(self, pool: Pool) -> None:
        """From now on ``pool`` computes the requests that have not started."""
        self.pool = pool
        self._wanted.set()

    def is_used(self, pool: Pool) -> bool:
        """Whether ``pool`` has started a request that is not finished."""
        return any(job.pool is pool for job in self._open)

    async def _run(self, worker: Worker, pool: Pool) -> None:
        while True:
            if pool.is_ready and not worker.is_ready:
                await asyncio.sleep(RETRY_INTERVAL)
            elif group := self._next_group(pool):
                await self._compute(group, worker)
            else:
                self._wanted.clear()
                await self._wanted.wait()

    async def _compute(self, group: list[tuple[_Job, int]], worker: Worker) -> None:
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
                assert job.pool is not None
                job.done.set_result(Tagged(job.found, job.pool))  # type: ignore[arg-type]

    def _next_group(self, pool: Pool) -> list[tuple[_Job, int]]:
        """Texts that ``pool`` is to compute together, each as its job and its place there; empty if none waits.

        It is a worker's share of what waits, so that no worker is idle while another one has texts of several requests.
        """
        budget = min(self._budget, self._waiting / len(pool.workers))
        group: list[tuple[_Job, int]] = []
        others: list[_Job] = []
        size = 0
        while self._jobs:
            job = self._jobs.popleft()
            if not job.is_waiting:
                continue
            if (job.pool or self.pool) is not pool:
                others.append(job)
                continue
            cost = _cost(job.texts[job.begun])
            if group and size + cost > budget:
                self._jobs.appendleft(job)
                break
            job.pool = pool
            group.append((job, job.begun))
            job.begun += 1
            size += cost
            self._waiting -= cost
            if job.is_waiting:
                self._jobs.append(job)
        self._jobs.extendleft(reversed(others))
        return group

    def _room_in(self, size: int) -> int:
        """Seconds until ``size`` more characters may wait."""
        speed = self._speed * len(self.pool.workers)
        return max(1, math.ceil((self._waiting + size - self._capacity) / speed))


def _cost(text: str) -> int:
    return len(text) + TEXT_COST
