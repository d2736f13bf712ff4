"""Heads that read tags; the CRF is what brute force says it is."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from clue_ner.core import plugins
from clue_ner.core.schemes import SCHEMES
from clue_ner.network.heads import HeadSpec, TaggingHead, build, reads_tags

HEADS = [name for name in plugins.names("clue_ner.network.heads") if reads_tags(name)]
TYPES = ["LOC", "PER"]
every_head = pytest.mark.parametrize("name", HEADS)
every_scheme = pytest.mark.parametrize("scheme", SCHEMES)


def head_of(name: str, scheme: str = "BIO", types: list[str] = TYPES, **options: Any) -> TaggingHead:
    """A head for states of size 8 with random weights, transitions as well, in float64."""
    torch.manual_seed(0)
    head = build(name, HeadSpec(8, SCHEMES[scheme], tuple(SCHEMES[scheme].tags(types)), 0.0, **options)).double()
    assert isinstance(head, TaggingHead)
    for parameter in head.transition_parameters():
        torch.nn.init.normal_(parameter)
    return head.eval()


def mask_of(*lengths: int) -> Tensor:
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def legal_labels(head: TaggingHead, lengths: list[int]) -> Tensor:
    """Gold tags of random entities, zero beyond each window's end."""
    rows = torch.zeros(len(lengths), max(lengths), dtype=torch.long)
    for row, length in zip(rows, lengths):
        cut = int(torch.randint(0, length + 1, ()))
        tags = head.spec.scheme.encode([(0, cut, "PER")] * (cut > 0), length)
        row[:length] = torch.tensor([head.spec.tags.index(tag) for tag in tags])
    return rows


@every_head
@every_scheme
def test_heads_read_a_tag_for_each_unit_in_every_scheme(name: str, scheme: str) -> None:
    head, lengths = head_of(name, scheme), [5, 1, 3]
    logits = head(torch.randn(3, 5, 8, dtype=torch.float64))
    assert logits.shape == (3, 5, len(head.spec.tags))
    mask = mask_of(*lengths)
    loss = head.loss(logits, {"unit_mask": mask, "labels": legal_labels(head, lengths)})
    assert loss.shape == ()
    assert torch.isfinite(loss)
    assert loss > 0
    decoded = head.read(logits, mask)
    assert [len(window.tags) for window in decoded] == [len(window.scores) for window in decoded] == lengths
    assert all(tag in head.spec.tags for window in decoded for tag in window.tags)
    assert all(0 <= score <= 1 for window in decoded for score in window.scores)


def test_softmax_takes_the_most_probable_tag() -> None:
    head = head_of("softmax")
    logits = torch.zeros(1, 2, 5)
    logits[0, 0, 3], logits[0, 1, 2] = 2.0, 3.0
    (decoded,) = head.read(logits, mask_of(2))
    assert decoded.tags == ["B-PER", "I-LOC"]
    assert decoded.scores == pytest.approx([torch.e**2 / (torch.e**2 + 4), torch.e**3 / (torch.e**3 + 4)], abs=1e-6)


@every_scheme
def test_softmax_constrained_reads_the_best_legal_sequence(scheme: str) -> None:
    head = head_of("softmax", scheme, ["LOC"], constrained=True)
    torch.manual_seed(1)
    logits, lengths = torch.randn(8, 4, len(head.spec.tags)), [4, 1, 3, 4, 2, 4, 4, 4]
    probabilities = logits.softmax(-1)
    changed = 0
    for row, found, free in zip(
        range(8),
        head.read(logits, mask_of(*lengths)),
        head_of("softmax", scheme, ["LOC"]).read(logits, mask_of(*lengths)),
    ):
        legal = {
            path: torch.stack([probabilities[row, unit, tag] for unit, tag in enumerate(path)])
            for path in itertools.product(range(len(head.spec.tags)), repeat=lengths[row])
            if all(
                head.spec.scheme.allowed(*pair)
                for pair in itertools.pairwise([None, *(head.spec.tags[tag] for tag in path), None])
            )
        }
        best = max(legal, key=lambda path: legal[path].prod().item())
        assert found.tags == [head.spec.tags[tag] for tag in best]
        assert found.scores == pytest.approx(legal[best].tolist())
        changed += found.tags != free.tags
    assert changed


def test_softmax_loss_is_a_mean_over_units() -> None:
    head = head_of("softmax")
    logits, labels, mask = torch.randn(2, 3, 5), torch.tensor([[1, 2, 0], [3, 0, 0]]), mask_of(3, 1)
    each = [-logits[b, u].log_softmax(-1)[labels[b, u]] for b, u in mask.nonzero().tolist()]
    found = head.loss(logits, {"unit_mask": mask, "labels": labels})
    assert found.item() == pytest.approx(torch.stack(each).mean().item())


@dataclass
class Case:
    """A CRF, emissions of a padded batch, and every sequence of each window with its score."""

    head: Any
    emissions: Tensor
    mask: Tensor
    lengths: list[int]

    def sequences(self, window: int) -> Iterator[tuple[tuple[int, ...], float]]:
        """All legal sequences of a window and their scores, computed one term at a time."""
        matrix, starts, ends = self.head.spec.scheme.transitions(self.head.spec.tags)
        emissions, length = self.emissions[window].tolist(), self.lengths[window]
        moves, start, end = (p.tolist() for p in self.head.transition_parameters())
        for path in itertools.product(range(len(self.head.spec.tags)), repeat=length):
            if starts[path[0]] and ends[path[-1]] and all(matrix[a][b] for a, b in itertools.pairwise(path)):
                score = start[path[0]] + end[path[-1]] + sum(emissions[u][tag] for u, tag in enumerate(path))
                yield path, score + sum(moves[a][b] for a, b in itertools.pairwise(path))


@pytest.fixture(params=[("BIO", TYPES), ("BIOES", ["LOC"]), ("BILOU", ["LOC"])], ids=lambda param: param[0])
def case(request: pytest.FixtureRequest) -> Case:
    scheme, types = request.param
    head, lengths = head_of("crf", scheme, types), [5, 1, 4, 2, 3, 2, 4, 3, 1, 2]
    torch.manual_seed(1)
    return Case(
        head, torch.randn(len(lengths), 5, len(head.spec.tags), dtype=torch.float64), mask_of(*lengths), lengths
    )


def _padded(path: tuple[int, ...], width: int = 5) -> list[int]:
    return [*path, *[0] * (width - len(path))]


def test_crf_score_equals_brute_force(case: Case) -> None:
    for window in range(len(case.lengths)):
        for path, score in list(case.sequences(window))[::7]:
            labels = torch.tensor([_padded(path)] * len(case.lengths))
            found = case.head.score(case.emissions, case.mask, labels)[window]
            assert found.item() == pytest.approx(score, abs=1e-9)


def test_crf_partition_equals_brute_force(case: Case) -> None:
    found = case.head.partition(case.emissions, case.mask)
    for window in range(len(case.lengths)):
        scores = torch.tensor([score for _, score in case.sequences(window)], dtype=torch.float64)
        assert found[window].item() == pytest.approx(torch.logsumexp(scores, 0).item(), abs=1e-9)


def test_crf_partition_has_the_derivatives_of_brute_force(case: Case) -> None:
    emissions = case.emissions.clone().requires_grad_()
    weights = torch.linspace(0.5, 2.0, len(case.lengths), dtype=torch.float64)
    inputs = [emissions, *case.head.transition_parameters()]
    found = torch.autograd.grad((weights * case.head.partition(emissions, case.mask)).sum(), inputs)
    everything = [
        torch.logsumexp(
            torch.stack(
                [
                    case.head.score(emissions[w : w + 1, :length], case.mask[w : w + 1, :length], torch.tensor([path]))[
                        0
                    ]
                    for path, _ in case.sequences(w)
                ]
            ),
            0,
        )
        for w, length in enumerate(case.lengths)
    ]
    expected = torch.autograd.grad((weights * torch.stack(everything)).sum(), inputs)
    for gradient, wanted in zip(found, expected, strict=True):
        assert torch.allclose(gradient, wanted, atol=1e-9)


def test_crf_loss_is_the_negative_log_likelihood(case: Case) -> None:
    paths = [list(case.sequences(window))[-1] for window in range(len(case.lengths))]
    labels = torch.tensor([_padded(path) for path, _ in paths])
    expected = [
        torch.logsumexp(torch.tensor([s for _, s in case.sequences(w)], dtype=torch.float64), 0).item() - paths[w][1]
        for w in range(len(case.lengths))
    ]
    found = case.head.partition(case.emissions, case.mask) - case.head.score(case.emissions, case.mask, labels)
    assert found.tolist() == pytest.approx(expected, abs=1e-9)
    loss = case.head.loss(case.emissions, {"unit_mask": case.mask, "labels": labels})
    assert loss.item() == pytest.approx(sum(expected) / len(expected), rel=1e-5)


def test_crf_decode_equals_brute_force(case: Case) -> None:
    for window, decoded in enumerate(case.head.read(case.emissions, case.mask)):
        best = max(case.sequences(window), key=lambda scored: scored[1])[0]
        assert decoded.tags == [case.head.spec.tags[tag] for tag in best]


@pytest.mark.parametrize("alone", [False, True])
def test_crf_scores_are_marginal_probabilities(case: Case, alone: bool) -> None:
    emissions = case.emissions.clone()
    read = case.head.read(emissions, case.mask)
    if alone:
        read = [
            case.head.read(emissions[w : w + 1, :length], case.mask[w : w + 1, :length])[0]
            for w, length in enumerate(case.lengths)
        ]
    assert torch.equal(emissions, case.emissions)
    for window, decoded in enumerate(read):
        paths, scores = zip(*case.sequences(window))
        weights = torch.tensor(scores, dtype=torch.float64).softmax(0).tolist()
        for unit, (tag, score) in enumerate(zip(decoded.tags, decoded.scores, strict=True)):
            id_ = case.head.spec.tags.index(tag)
            marginal = sum(weight for path, weight in zip(paths, weights, strict=True) if path[unit] == id_)
            assert score == pytest.approx(marginal, abs=1e-5)


@every_scheme
@pytest.mark.parametrize("scale", [1.0, 1e3, 1e6])
def test_crf_decodes_legal_sequences_alone(scheme: str, scale: float) -> None:
    head = head_of("crf", scheme)
    torch.manual_seed(2)
    lengths = torch.randint(1, 12, (200,)).tolist()
    for window in head.read(scale * torch.randn(200, max(lengths), len(head.spec.tags)), mask_of(*lengths)):
        edges = itertools.pairwise([None, *window.tags, None])
        assert all(head.spec.scheme.allowed(left, right) for left, right in edges)
        assert head.spec.scheme.decode(window.tags) == head.spec.scheme.decode_lenient(window.tags)


def test_crf_transitions_learn_at_a_rate_of_their_own() -> None:
    crf, softmax = head_of("crf"), head_of("softmax")
    assert [tuple(p.shape) for p in crf.transition_parameters()] == [(5, 5), (5,), (5,)]
    assert softmax.transition_parameters() == []
    assert set(crf.state_dict()) == {"linear.weight", "linear.bias", "transitions", "start", "end"}


def test_crf_takes_a_window_of_a_thousand_units() -> None:
    head = head_of("crf").float()
    logits, mask = 20 * torch.randn(2, 1000, 5), mask_of(1000, 999)
    labels = legal_labels(head, [1000, 999])
    assert torch.isfinite(head.loss(logits, {"unit_mask": mask, "labels": labels}))
    assert [len(window.tags) for window in head.read(logits, mask)] == [1000, 999]
