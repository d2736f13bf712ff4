"""GlobalPointer: scores and loss as their paper has them."""

import itertools
import math
from typing import Any

import pytest
import torch
from support.heads import LENGTHS, WINDOWS, batch_of, head_of
from torch import Tensor


@pytest.mark.parametrize("variant", ["global_pointer", "global_pointer efficient"])
def test_global_pointer_scores_are_su_s(variant: str) -> None:
    head: Any = head_of(variant)
    states, size = torch.randn(2, 5, 8, dtype=torch.float64), 6
    projected, logits = head.project(states), head(states)

    def turned(vector: Tensor, place: int) -> Tensor:
        pairs = torch.complex(vector[: size // 2], vector[size // 2 :])
        speeds = torch.tensor([10000 ** (-2 * i / size) for i in range(size // 2)], dtype=torch.float64)
        return pairs * torch.exp(1j * place * speeds)

    for row, type_, start, last in itertools.product(range(2), range(3), range(5), range(5)):
        at = 0 if "efficient" in variant else 2 * size * type_
        query, key = projected[row, start, at : at + size], projected[row, last, at + size : at + 2 * size]
        score = (turned(query, start) * turned(key, last).conj()).sum().real / size**0.5
        if head.bias is not None:
            score += (head.bias(projected[row, start])[type_] + head.bias(projected[row, last])[3 + type_]) / 2
        assert logits[row, type_, start, last].item() == pytest.approx(score.item(), abs=1e-6)


@pytest.mark.parametrize("weights", [{}, {"LOC": 3.0, "PER": 0.5}])
def test_global_pointer_loss_is_su_s(weights: dict[str, float]) -> None:
    head = head_of("global_pointer")
    head.set_class_weights(weights)
    batch, logits = batch_of(head, WINDOWS, LENGTHS), torch.randn(3, 3, 6, 6)
    losses = []
    for row, (type_, name) in itertools.product(range(3), enumerate(head.spec.types)):
        gold = {(start, end - 1) for start, end, other in WINDOWS[row] if other == name}
        spans = set(itertools.combinations_with_replacement(range(LENGTHS[row]), 2))
        below = sum(math.exp(logits[row, type_, start, last]) for start, last in spans - gold)
        above = sum(math.exp(-logits[row, type_, start, last]) for start, last in gold)
        losses.append((math.log1p(below) + math.log1p(above)) * weights.get(name, 1.0))
    assert head.loss(logits, batch).item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)
