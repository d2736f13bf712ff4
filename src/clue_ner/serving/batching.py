"""Texts of all requests, in groups that a worker computes: as soon as it is free, whatever waits, up to a budget.

Nothing waits for company. Requests take turns text by text, so that one with many texts does not hold up the others.
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
"""What a text costs beside its characters, in characters."""
FIRST_SPEED = 2000.0
"""Characters per second of one worker that are assumed before anything was measured."""
RETRY_INTERVAL = 0.05
"""Seconds between two looks at whether a worker that died has its model again."""


class OverloadedError(Exception):
    """More is waiting than may; ``seconds`` from now there may be room."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class Tagged(NamedTuple):
    """The entities of each text of a request, and the pool whose workers found all of them."""

    found: list[list[Found]]
    pool: Pool


class _Job:
    """A request's texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.pool: Pool | None = None
        """whose workers compute it: from its first text on it stays with one version"""
        self.begun = 0
        self.found: list[list[Found] | None] = [None] * len(texts)
        self.left = len(texts)
        self.done: asyncio.Future[Tagged] = asyncio.get_running_loop().create_future()

    @property
    def is_waiting(self) -> bool:
        return self.begun < len(self.texts) and not self.done.done()


class Batcher:
    """The queue of requests, and the loop that has them computed."""

    def __init__(self, pool: Pool, *, budget: int, capacity: int, seconds: float, metrics: Metrics) -> None:
        """Requests that come from now on are computed by ``pool``.

        - ``budget``: characters of a group; a longer text is a group by itself
        - ``capacity``: characters that may wait
        - ``seconds``: a request's time, from its arrival to its answer
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

        Raises OverloadedError if too much is waiting; WorkerDiedError if the process died of it; NoModelError if that
        happened before, and the model cannot be loaded again; TimeoutError if there was no time.
        """
        size = sum(map(_cost, texts))
        if self._waiting and self._waiting + size > self._capacity:
            raise OverloadedError(
                f"too much is waiting: {self._waiting} characters, and at most {self._capacity} may",
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
        """Have texts computed by the workers of ``pool``, until this is cancelled."""
        async with asyncio.TaskGroup() as loops:
            for worker in pool.workers:
                loops.create_task(self._run(worker, pool))

    def change(self, pool: Pool) -> None:
        """Requests of which no text has been begun are computed by ``pool`` from now on."""
        self.pool = pool
        self._wanted.set()

    def is_used(self, pool: Pool) -> bool:
        """Whether a request has been begun by ``pool`` and is not answered."""
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
