"""The CRF's loss is what brute force says it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from support.heads import head_of, legal_labels, mask_of
from support.sequences import CHAINS, LENGTHS, scored_paths
from torch import Tensor


@dataclass
class Case:
    """A CRF and the emissions of a padded batch, whose windows have ``LENGTHS``."""

    head: Any
    emissions: Tensor
    mask: Tensor

    def sequences(self, window: int) -> Iterator[tuple[tuple[int, ...], float]]:
        """All legal sequences of a window and their scores."""
        transitions, start, end = (p.tolist() for p in self.head.transition_parameters())
        emissions = self.emissions[window, : LENGTHS[window]].tolist()
        spec = self.head.spec
        yield from scored_paths(spec.scheme, spec.tags, emissions, start, transitions, end)


@pytest.fixture(params=CHAINS, ids=lambda param: param[0])
def case(request: pytest.FixtureRequest) -> Case:
    head = head_of("crf", *request.param)
    torch.manual_seed(1)
    emissions = torch.randn(len(LENGTHS), 5, len(head.spec.tags), dtype=torch.float64)
    return Case(head, emissions, mask_of(*LENGTHS))


def _padded(path: tuple[int, ...], width: int = 5) -> list[int]:
    return [*path, *[0] * (width - len(path))]


def test_crf_score_equals_brute_force(case: Case) -> None:
    for window in range(len(LENGTHS)):
        for path, score in list(case.sequences(window))[::7]:
            labels = torch.tensor([_padded(path)] * len(LENGTHS))
            found = case.head.score(case.emissions, case.mask, labels)[window]
            assert found.item() == pytest.approx(score, abs=1e-9)


def test_crf_partition_equals_brute_force(case: Case) -> None:
    found = case.head.partition(case.emissions, case.mask)
    for window in range(len(LENGTHS)):
        scores = torch.tensor([score for _, score in case.sequences(window)], dtype=torch.float64)
        assert found[window].item() == pytest.approx(torch.logsumexp(scores, 0).item(), abs=1e-9)


def test_crf_partition_has_the_derivatives_of_brute_force(case: Case) -> None:
    emissions = case.emissions.clone().requires_grad_()
    weights = torch.linspace(0.5, 2.0, len(LENGTHS), dtype=torch.float64)
    inputs = [emissions, *case.head.transition_parameters()]
    found = torch.autograd.grad((weights * case.head.partition(emissions, case.mask)).sum(), inputs)
    everything = []
    for window, length in enumerate(LENGTHS):
        own, mask = emissions[window : window + 1, :length], case.mask[window : window + 1, :length]
        scores = [case.head.score(own, mask, torch.tensor([path]))[0] for path, _ in case.sequences(window)]
        everything.append(torch.logsumexp(torch.stack(scores), 0))
    expected = torch.autograd.grad((weights * torch.stack(everything)).sum(), inputs)
    for gradient, wanted in zip(found, expected, strict=True):
        assert torch.allclose(gradient, wanted, atol=1e-9)


def test_crf_loss_is_the_negative_log_likelihood(case: Case) -> None:
    paths = [list(case.sequences(window))[-1] for window in range(len(LENGTHS))]
    labels = torch.tensor([_padded(path) for path, _ in paths])
    expected = [
        torch.logsumexp(torch.tensor([s for _, s in case.sequences(w)], dtype=torch.float64), 0).item() - paths[w][1]
        for w in range(len(LENGTHS))
    ]
    found = case.head.partition(case.emissions, case.mask) - case.head.score(case.emissions, case.mask, labels)
    assert found.tolist() == pytest.approx(expected, abs=1e-9)
    loss = case.head.loss(case.emissions, {"unit_mask": case.mask, "labels": labels})
    assert loss.item() == pytest.approx(sum(expected) / len(expected), rel=1e-5)


def test_crf_transitions_learn_at_a_rate_of_their_own() -> None:
    crf, softmax = (head_of(name, types=["LOC", "PER"]) for name in ("crf", "softmax"))
    assert [tuple(p.shape) for p in crf.transition_parameters()] == [(5, 5), (5,), (5,)]
    assert softmax.transition_parameters() == []
    assert set(crf.state_dict()) == {"linear.weight", "linear.bias", "transitions", "start", "end"}


def test_crf_loss_of_a_window_of_a_thousand_units_is_finite() -> None:
    head = head_of("crf").float()
    logits, mask = 20 * torch.randn(2, 1000, len(head.spec.tags)), mask_of(1000, 999)
    labels = legal_labels(head, [1000, 999])
    assert torch.isfinite(head.loss(logits, {"unit_mask": mask, "labels": labels}))
