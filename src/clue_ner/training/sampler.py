"""Batches of like length, in an order that depends on nothing but the seed and the epoch."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

from torch.utils.data import DataLoader, Sampler


class LengthGroupedBatches(Sampler[list[int]]):
    """Shuffles rows, sorts stretches of ``stretch`` batches by length, and shuffles the batches cut from them.

    Of several ``processes``, the one with this ``rank`` gets every n-th row of each batch, so that together they see
    what one would; a last batch too small for all goes to the one before.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        seed: int,
        rank: int = 0,
        processes: int = 1,
        stretch: int = 50,
    ) -> None:
        # no attribute batch_size: accelerate takes it to mean that only the last batch can be short
        self.lengths, self.size, self.seed, self.stretch = lengths, batch_size, seed, stretch
        self.rank, self.processes = rank, processes
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Which epoch comes next, from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        full, rest = divmod(len(self.lengths), self.size)
        return full + (rest >= self.processes if full else bool(rest))

    def __iter__(self) -> Iterator[list[int]]:
        generator = random.Random(f"{self.seed} {self.epoch}")
        order = list(range(len(self.lengths)))
        generator.shuffle(order)
        size = self.size * self.stretch
        batches: list[list[int]] = []
        for at in range(0, len(order), size):
            near = sorted(order[at : at + size], key=lambda i: self.lengths[i])
            batches += [near[i : i + self.size] for i in range(0, len(near), self.size)]
        if len(batches) > len(self):
            batches[-2:] = [batches[-2] + batches[-1]]
        generator.shuffle(batches)
        for batch in batches:
            yield batch[self.rank :: self.processes]


class EpochLoader(DataLoader[Any]):
    """A DataLoader over batches that passes on which epoch comes next."""

    def set_epoch(self, epoch: int) -> None:
        """Called by Trainer before each epoch."""
        self.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]
