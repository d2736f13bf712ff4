"""The biaffine classifier: scores and loss as their paper has them."""

import itertools
from typing import Any

import pytest
import torch
from support.heads import LENGTHS, WINDOWS, batch_of, head_of


@pytest.mark.parametrize("weights", [{}, {"LOC": 3.0, "PER": 0.5}])
def test_biaffine_scores_and_loss_are_yu_s(weights: dict[str, float]) -> None:
    head: Any = head_of("biaffine")
    head.set_class_weights(weights)
    states, batch = torch.randn(3, 6, 8, dtype=torch.float64), batch_of(head, WINDOWS, LENGTHS)
    starts, ends = (torch.nn.functional.gelu(layer(states)) for layer in (head.start, head.end))
    forms = head.form.weight.view(4, 6, 6)
    logits = head(states)
    total = 0.0
    for row, length in enumerate(LENGTHS):
        gold = {(start, end - 1): type_ for start, end, type_ in WINDOWS[row]}
        for start, last in itertools.combinations_with_replacement(range(length), 2):
            one, other = starts[row, start], ends[row, last]
            scores = torch.stack([(form @ one) @ other for form in forms]) + head.start_bias(one)
            scores += head.end_bias(other)
            torch.testing.assert_close(logits[row, :, start, last], scores)
            type_ = gold.get((start, last), "")
            class_ = 1 + head.spec.types.index(type_) if type_ else 0
            total -= scores.log_softmax(0)[class_].item() * weights.get(type_, 1.0)
    assert head.loss(logits, batch).item() == pytest.approx(total / sum(LENGTHS), rel=1e-5)


def test_biaffine_learns_the_higher_id_of_two_types_on_a_span() -> None:
    head = head_of("biaffine")
    logits, mask = torch.randn(1, 4, 3, 3), torch.ones(1, 3, dtype=torch.bool)
    both, higher = (torch.tensor([entities]) for entities in ([[0, 2, 2], [0, 2, 0]], [[0, 2, 2]]))
    losses = [head.loss(logits, {"unit_mask": mask, "entities": entities}).item() for entities in (both, higher)]
    assert losses[0] == losses[1] != head.loss(logits, {"unit_mask": mask, "entities": higher[:, :0]}).item()
