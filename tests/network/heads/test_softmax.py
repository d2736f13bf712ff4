"""Token classification: cross entropy of each unit."""

import pytest
import torch
from support.heads import head_of, mask_of


@pytest.mark.parametrize("weights", [{}, {"ORG": 4.0, "PER": 0.5}])
def test_softmax_loss_is_a_mean_over_units(weights: dict[str, float]) -> None:
    head = head_of("softmax")
    head.set_class_weights(weights)
    torch.manual_seed(1)
    logits, labels, mask = torch.randn(2, 3, 7), torch.tensor([[1, 2, 0], [3, 0, 0]]), mask_of(3, 1)
    each = []
    for row, unit in mask.nonzero().tolist():
        label = int(labels[row, unit])
        weight = weights.get(head.spec.tags[label].partition("-")[2], 1.0)
        each.append(-logits[row, unit].log_softmax(-1)[label].item() * weight)
    found = head.loss(logits, {"unit_mask": mask, "labels": labels})
    assert found.item() == pytest.approx(sum(each) / len(each))
