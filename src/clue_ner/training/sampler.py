"""Length-grouped batches, in an order that depends only on the seed and the epoch."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

from torch.utils.data import DataLoader, Sampler


class LengthGroupedBatches(Sampler[list[int]]):
    """Shuffles the rows, sorts stretches of ``stretch`` batches by length, cuts them into batches and shuffles these.

    With several ``processes``, the one with this ``rank`` gets every n-th row of each batch, so that together they get
    the batches of a single process. A last batch that is too small for all processes is joined to the one before.
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
        # no attribute batch_size: accelerate would assume that only the last batch can be short
        self.lengths, self.size, self.seed, self.stretch = lengths, batch_size, seed, stretch
        self.rank, self.processes = rank, processes
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the next epoch, from 0."""
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
    """A DataLoader that passes the number of the epoch to its batch sampler."""

    def set_epoch(self, epoch: int) -> None:
        """Called by Trainer before each epoch."""
        self.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]
