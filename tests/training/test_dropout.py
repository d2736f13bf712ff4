"""Dropout by random bytes: its share, its mean, and that it repeats."""

import pytest
import torch

from clue_ner.training.dropout import ByteDropout


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_dropout_of_bytes_drops_its_share_and_keeps_the_mean(p: float) -> None:
    torch.manual_seed(0)
    share = round(p * 256) / 256
    ones = torch.ones(999, 1001, requires_grad=True)
    dropped = ByteDropout(p)(ones)
    assert (dropped == 0).double().mean().item() == pytest.approx(share, abs=2e-3)
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / (1 - share)])
    for byte in range(8):  # every byte of a draw is as random as the others
        assert (dropped.flatten()[byte::8] == 0).double().mean().item() == pytest.approx(share, abs=5e-3)
    dropped.sum().backward()
    assert ones.grad is not None and torch.equal(ones.grad, dropped)


def test_dropout_of_bytes_is_a_function_of_the_seed_and_of_nothing_else() -> None:
    threads, masks = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            torch.manual_seed(3)
            masks.append(ByteDropout(0.1)(torch.ones(7, 12345)))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*masks)


@pytest.mark.parametrize(("p", "value"), [(0.0, 1.0), (0.001, 1.0), (1.0, 0.0)])
def test_dropout_of_bytes_of_nothing_and_of_all(p: float, value: float) -> None:
    assert torch.equal(ByteDropout(p)(torch.ones(3, 5)), torch.full((3, 5), value))
    assert torch.equal(ByteDropout(p).eval()(torch.ones(3, 5)), torch.ones(3, 5))
