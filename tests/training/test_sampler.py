"""Batches: every row once an epoch, rows of like length, a share for each process."""

import itertools

import pytest

from clue_ner.training.sampler import LengthGroupedBatches


def test_batches_have_every_row_once_an_epoch() -> None:
    lengths = [(7 * i) % 31 for i in range(103)]
    for epoch in range(3):
        sampler = LengthGroupedBatches(lengths, 8, seed=3, stretch=4)
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert sorted(itertools.chain(*batches)) == list(range(103))
        assert len(batches) == len(sampler) == 13
        assert sorted(map(len, batches)) == [7, *[8] * 12]


def test_batches_are_a_function_of_seed_and_epoch() -> None:
    def batches(seed: int, epoch: int) -> list[list[int]]:
        sampler = LengthGroupedBatches(list(range(60)), 8, seed, stretch=2)
        sampler.set_epoch(epoch)
        return list(sampler)

    orders = {(seed, epoch): batches(seed, epoch) for seed in range(3) for epoch in range(3)}
    assert all(batches(*key) == order for key, order in orders.items())
    assert len({str(order) for order in orders.values()}) == len(orders)
    assert len({str(sorted(map(sorted, order))) for order in orders.values()}) == len(orders)


def test_batches_hold_rows_of_like_length() -> None:
    lengths = [(37 * i) % 101 for i in range(400)]
    (one,) = [LengthGroupedBatches(lengths, 10, seed=0)]
    assert all(max(found) - min(found) <= 5 for found in ([lengths[i] for i in batch] for batch in one))


@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize("rows", [3, 6, 11, 12, 13, 14, 47])
def test_batches_are_divided_among_processes(rows: int, processes: int) -> None:
    lengths = [i % 9 for i in range(rows)]
    for epoch in range(2):
        shares = []
        for rank in range(processes):
            sampler = LengthGroupedBatches(lengths, 6, seed=0, rank=rank, processes=processes, stretch=2)
            sampler.set_epoch(epoch)
            shares.append(list(sampler))
            assert len(shares[-1]) == len(sampler)
        assert min(len(share) for share in itertools.chain(*shares)) >= 1
        assert sorted(itertools.chain(*itertools.chain(*shares))) == list(range(rows))
        one = LengthGroupedBatches(lengths, 6, seed=0, stretch=2)
        one.set_epoch(epoch)
        if rows % 6 == 0 or rows % 6 >= processes:
            together = [sorted(itertools.chain(*parts)) for parts in zip(*shares, strict=True)]
            assert together == [sorted(batch) for batch in one]


def test_batches_of_no_rows() -> None:
    assert list(LengthGroupedBatches([], 4, seed=0)) == []
