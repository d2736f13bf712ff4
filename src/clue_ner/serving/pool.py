"""Several processes with the same model: on a CPU, processes of one thread do more than one process of many threads.

A sentence is too little work for several threads, and each process computes a group of texts while another one
computes the next.
"""

import asyncio
from pathlib import Path

from clue_ner.core.device import CPU
from clue_ner.runtimes._onnxruntime import default_threads
from clue_ner.serving.processes import Version, Worker
from clue_ner.serving.worker import ModelDescription

MOST = 4
"""Number of processes at most, unless somebody asks for more: each has a copy of the model."""


class Pool:
    """The workers of one model. All have loaded the same files."""

    def __init__(
        self, name: str, folder: Path, runtime: str, device: str, workers: int | None = None, threads: int | None = None
    ) -> None:
        """The model is named as for ``Worker``.

        - ``workers``: number of processes, by default one on a GPU, else one per core (``default_threads``), at most
          ``MOST``
        - ``threads``: CPU threads of each, by default the cores divided by the processes
        """
        cores = default_threads()
        self.name, self._wanted, self._count = name, workers, workers or min(cores, MOST)
        self._model = name, folder, runtime, device, threads or max(1, cores // self._count)
        self.workers = [Worker(*self._model)]

    async def start(self) -> None:
        """Load the model in each process; raises ServingError if one of them cannot."""
        try:
            await self.workers[0].start()
            if self._wanted is None and self.description.device != CPU:
                return
            others = [Worker(*self._model) for _ in range(1, self._count)]
            self.workers += others
            await asyncio.gather(*(worker.start() for worker in others))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End all processes."""
        await asyncio.gather(*(worker.stop() for worker in self.workers))

    @property
    def is_ready(self) -> bool:
        """Whether at least one process has the model."""
        return any(worker.is_ready for worker in self.workers)

    @property
    def starts(self) -> int:
        """How often a process has been started."""
        return sum(worker.starts for worker in self.workers)

    @property
    def description(self) -> ModelDescription:
        """What the model says of itself; known once it was loaded."""
        return self.workers[0].description

    @property
    def version(self) -> Version:
        """What answers call the model."""
        return self.workers[0].version
