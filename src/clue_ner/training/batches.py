"""Batches of like length, in an order that depends on nothing but the seed and the epoch."""

import random
from collections.abc import Iterator, Sequence

from torch.utils.data import Sampler


class LengthBatches(Sampler[list[int]]):
    """Shuffles rows, sorts stretches of ``stretch`` batches by length, and shuffles the batches cut from them."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, stretch: int = 50) -> None:
        # no attribute batch_size: accelerate takes it to mean that only the last batch can be short
        self.lengths, self.size, self.seed, self.stretch = lengths, batch_size, seed, stretch
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Trainer says which epoch comes next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.size)

    def __iter__(self) -> Iterator[list[int]]:
        generator = random.Random(f"{self.seed} {self.epoch}")
        order = list(range(len(self.lengths)))
        generator.shuffle(order)
        size = self.size * self.stretch
        batches: list[list[int]] = []
        for at in range(0, len(order), size):
            near = sorted(order[at : at + size], key=lambda i: self.lengths[i])
            batches += [near[i : i + self.size] for i in range(0, len(near), self.size)]
        generator.shuffle(batches)
        yield from batches
