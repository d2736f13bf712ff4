"""Pointers: binary cross entropy of starts and ends."""

import math

import pytest
import torch
from support.heads import LENGTHS, WINDOWS, batch_of, head_of


@pytest.mark.parametrize("weights", [{}, {"LOC": 3.0, "PER": 0.5}])
def test_span_loss_is_a_sum_over_starts_and_ends_and_a_mean_over_units(weights: dict[str, float]) -> None:
    head = head_of("span")
    head.set_class_weights(weights)
    torch.manual_seed(1)
    logits, total = torch.randn(3, 6, 6), 0.0
    for row, length in enumerate(LENGTHS):
        for unit in range(length):
            for number, type_ in enumerate(head.spec.types):
                starts = any((start, name) == (unit, type_) for start, _, name in WINDOWS[row])
                ends = any((end, name) == (unit + 1, type_) for _, end, name in WINDOWS[row])
                for yes, logit in ((starts, logits[row, unit, number]), (ends, logits[row, unit, 3 + number])):
                    probability = 1 / (1 + math.exp(-logit.item()))
                    total -= math.log(probability if yes else 1 - probability) * weights.get(type_, 1.0)
    found = head.loss(logits, batch_of(head, WINDOWS, LENGTHS))
    assert found.item() == pytest.approx(total / sum(LENGTHS), rel=1e-5)
