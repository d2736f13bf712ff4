"""What every head promises: logits, a loss that is a function of them, and how far two logits are from each other."""

import itertools
import math
from collections.abc import Hashable

import pytest
import torch
from support.decoders import ENTITIES, MATRICES, TYPES, VARIANTS, golden_entities, golden_logits, options_of
from support.heads import LENGTHS, WINDOWS, batch_of, decoder_for, head_of, labels_of, legal_labels, mask_of
from torch import Tensor

from clue_ner.common.errors import ParamsError, UnknownNameError
from clue_ner.core.schemes import SCHEMES
from clue_ner.network.heads import EntityHead, HeadSpec, build

every_variant = pytest.mark.parametrize("variant", VARIANTS)
every_scheme = pytest.mark.parametrize("scheme", SCHEMES)


def padded(head: EntityHead, logits: Tensor, by: int, value: float) -> Tensor:
    """Logits of a batch with ``by`` more units at the end of each window."""
    for axis in decoder_for(head).unit_axes:
        shape = list(logits.shape)
        shape[axis] = by
        logits = torch.cat([logits, logits.new_full(shape, value)], dim=axis)
    return logits


def test_heads_unknown_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown head 'crff': there are biaffine, crf, .*softmax, span"):
        build("crff", head_of("crf").spec)


@every_variant
def test_heads_give_logits_and_a_loss(variant: str) -> None:
    head = head_of(variant)
    logits = head(torch.randn(3, 6, 8, dtype=torch.float64))
    batch = batch_of(head, WINDOWS, LENGTHS)
    assert logits.shape[0] == 3
    assert all(logits.shape[axis] == 6 for axis in decoder_for(head).unit_axes)
    head.valid_mask(batch["unit_mask"]).expand_as(logits)
    loss = head.loss(logits, batch)
    assert loss.shape == ()
    assert 0 < loss.item() < math.inf
    decoded = decoder_for(head).decode(logits.detach().numpy(), batch["unit_mask"].sum(-1).numpy())
    assert len(decoded) == 3


@pytest.mark.parametrize("name", ["crf", "softmax"])
@every_scheme
def test_heads_of_sequences_have_a_logit_for_each_tag_of_every_scheme(name: str, scheme: str) -> None:
    head, lengths = head_of(name, scheme), [5, 1, 3]
    logits = head(torch.randn(3, 5, 8, dtype=torch.float64))
    assert logits.shape == (3, 5, len(head.spec.tags))
    loss = head.loss(logits, {"unit_mask": mask_of(*lengths), "labels": legal_labels(head, lengths)})
    assert loss.shape == ()
    assert torch.isfinite(loss)
    assert loss > 0


@every_variant
def test_heads_logits_are_not_changed_by_padding_or_a_neighbour(variant: str) -> None:
    head = head_of(variant)
    states, mask = torch.randn(3, 6, 8, dtype=torch.float64), mask_of(*LENGTHS)
    logits = head(states)
    valid = head.valid_mask(mask).expand_as(logits)
    for number, (row, length) in enumerate(zip(states, LENGTHS)):
        alone = head(row[None, :length])
        every = head.valid_mask(mask_of(length)).expand_as(alone)
        torch.testing.assert_close(logits[number][valid[number]], alone[every])


@every_variant
def test_heads_valid_mask_is_of_units_or_of_spans(variant: str) -> None:
    head = head_of(variant)
    logits = head(torch.randn(3, 6, 8, dtype=torch.float64))
    valid = head.valid_mask(mask_of(*LENGTHS)).expand_as(logits)
    for row, length in enumerate(LENGTHS):
        for start in range(6):
            if variant not in MATRICES:
                assert (valid[row, start] == (start < length)).all()
                continue
            for last in range(6):
                assert (valid[row, :, start, last] == (start <= last < length)).all()


@every_variant
def test_heads_loss_is_not_changed_by_padding(variant: str) -> None:
    head = head_of(variant)
    batch = batch_of(head, WINDOWS, LENGTHS)
    logits = head(torch.randn(3, 6, 8, dtype=torch.float64))
    loss = head.loss(logits, batch).item()
    wider = {
        "unit_mask": torch.nn.functional.pad(batch["unit_mask"], (0, 3)),
        "labels": torch.nn.functional.pad(batch["labels"], (0, 3)),
        "entities": torch.nn.functional.pad(batch["entities"], (0, 0, 0, 2), value=-1),
    }
    assert head.loss(padded(head, logits, 3, 1e3), wider).item() == pytest.approx(loss)
    valid = head.valid_mask(batch["unit_mask"]).expand_as(logits)
    assert head.loss(logits.masked_fill(~valid, 1e3), batch).item() == pytest.approx(loss)


@every_variant
def test_heads_gradients_are_finite_and_stop_at_padding(variant: str) -> None:
    head = head_of(variant)
    batch = batch_of(head, WINDOWS, LENGTHS)
    states = torch.randn(3, 6, 8, dtype=torch.float64, requires_grad=True)
    head.loss(head(states), batch).backward()
    assert states.grad is not None
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in head.parameters())
    assert torch.isfinite(states.grad).all()
    assert (states.grad[~batch["unit_mask"]] == 0).all()
    assert (states.grad[batch["unit_mask"]] != 0).any(-1).all()


@every_variant
def test_heads_divergence_is_zero_of_the_same_and_what_the_definition_says(variant: str) -> None:
    head = head_of(variant)
    mask, shape = mask_of(*LENGTHS), head(torch.randn(3, 6, 8, dtype=torch.float64)).shape
    logits, target = torch.randn(2, *shape, dtype=torch.float64).requires_grad_()
    assert head.divergence(logits, logits, mask).item() == pytest.approx(0, abs=1e-7)
    terms = {"crf": 3, "global_pointer": 3 * len(TYPES)}.get(VARIANTS[variant][0], sum(LENGTHS))
    for heat in (1.0, 3.0):
        if head.class_axis is None:
            ours, wanted = (torch.stack([x / heat, torch.zeros_like(x)]).softmax(0) for x in (logits, target))
            apart = (wanted * (wanted / ours).log()).sum(0)
        else:
            ours, wanted = ((x / heat).softmax(head.class_axis) for x in (logits, target))
            apart = wanted * (wanted / ours).log()
        expected = (apart * head.valid_mask(mask)).sum().item() / terms
        assert expected > 0.01
        assert head.divergence(logits, target, mask, heat).item() == pytest.approx(expected, rel=1e-4)


@every_variant
def test_heads_divergence_stops_at_padding(variant: str) -> None:
    head, mask = head_of(variant), mask_of(*LENGTHS)
    shape = head(torch.randn(3, 6, 8, dtype=torch.float64)).shape
    logits, target = torch.randn(shape, requires_grad=True), torch.randn(shape)
    apart = head.divergence(logits, target, mask)
    valid = head.valid_mask(mask).expand(shape)
    for value in (1e6, -1e6):
        changed = logits.masked_fill(~valid, value), target.masked_fill(~valid, -value)
        assert head.divergence(*changed, mask).item() == pytest.approx(apart.item())
        (gradient,) = torch.autograd.grad(head.divergence(*changed, mask), logits)
        assert (gradient[~valid] == 0).all()
        assert gradient.isfinite().all()
        assert (gradient[valid] != 0).any()


@every_variant
def test_heads_learn_from_a_batch_without_entities(variant: str) -> None:
    head = head_of(variant)
    batch = batch_of(head, [[], []], [3, 2])
    loss = head.loss(head(torch.randn(2, 3, 8, dtype=torch.float64)), batch)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in head.parameters() if p.grad is not None)


@pytest.mark.parametrize("variant", ["span", *MATRICES])
@pytest.mark.parametrize("size", [16, 64])
def test_heads_of_spans_begin_with_finding_nothing(variant: str, size: int) -> None:
    torch.manual_seed(0)
    tags, options = tuple(SCHEMES["BIO"].tags(TYPES)), options_of(variant, head_size=size)
    head = build(VARIANTS[variant][0], HeadSpec(32, SCHEMES["BIO"], tags, 0.0, options))
    logits, lengths = head(torch.randn(2, 30, 32)), torch.tensor([30, 12])
    decoded = decoder_for(head).decode(logits.detach().numpy(), lengths.numpy())
    assert [window.entities for window in decoded] == [[], []]


@every_variant
def test_heads_compute_the_loss_in_float32_whatever_the_encoder_s_format(variant: str) -> None:
    head = head_of(variant).float()
    batch = batch_of(head, WINDOWS, LENGTHS)
    with torch.autocast("cpu", torch.bfloat16):
        logits = head(torch.randn(3, 6, 8))
        loss = head.loss(logits, batch)
    assert logits.dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    assert loss.item() == head.loss(logits.float(), batch).item()


@pytest.mark.parametrize("case", golden_entities(), ids=[path.stem for path in ENTITIES])
@pytest.mark.parametrize("variant", ["span", *MATRICES])
def test_heads_golden_entities_cost_nothing(variant: str, case: dict[str, object]) -> None:
    head = head_of(variant)
    logits, spans = torch.from_numpy(golden_logits(variant, case)), case["spans"]
    assert isinstance(spans, list)
    assert isinstance(case["text"], str)
    entities = torch.tensor([[[start, end, head.spec.types.index(type_)] for start, end, type_ in spans]])
    batch = {"unit_mask": mask_of(len(case["text"])), "entities": entities}
    assert head.loss(logits, batch).item() < 1e-4
    assert head.loss(-logits, batch).item() > 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_heads_class_weights_are_of_types_that_there_are(variant: str) -> None:
    head = head_of(variant)
    like = torch.zeros(1)
    assert head.weights_of(["O", *TYPES], like) is None
    head.set_class_weights({"ORG": 4.0})
    weights = head.weights_of(["O", *TYPES], like)
    assert weights is not None
    assert weights.tolist() == [1.0, 1.0, 4.0, 1.0]
    with pytest.raises(ParamsError, match=r"train\.class_weights: no type CITY, TOWN in the corpus; .* LOC, ORG, PER"):
        head.set_class_weights({"TOWN": 2.0, "CITY": 2.0, "ORG": 1.0})
    assert head.class_weights == {"ORG": 4.0}


# --- weights of a head for other types


def logits_by_label(head: EntityHead, states: Tensor) -> dict[Hashable, Tensor]:
    """The logits of the states by what they are of."""
    axis, labels = labels_of(head)
    return dict(zip(labels, head(states).unbind(axis), strict=True))


def scores_by_label(head: EntityHead) -> dict[Hashable, float]:
    """A CRF's scores between, before and after tags, by the tags' meanings; of other heads none."""
    if not head.transition_parameters():
        return {}
    tags = [head.spec.scheme.meaning(tag) for tag in head.spec.tags]
    moves = {(one, other): head.transitions[i, j].item() for i, one in enumerate(tags) for j, other in enumerate(tags)}
    edges = {(edge, tag): getattr(head, edge)[i].item() for edge in ("start", "end") for i, tag in enumerate(tags)}
    return moves | edges


@every_variant
def test_heads_take_over_all_of_the_same_types(variant: str) -> None:
    one, other = head_of(variant, seed=0), head_of(variant, seed=1)
    states = torch.randn(2, 5, 8, dtype=torch.float64)
    assert not torch.equal(one(states), other(states))
    other.take_over(one)
    assert torch.equal(one(states), other(states))
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())


@every_variant
@pytest.mark.parametrize(
    "types", list(itertools.chain.from_iterable(itertools.permutations("ABCD", count) for count in (1, 2, 3)))
)
def test_heads_take_over_what_belongs_to_the_types_that_both_have(variant: str, types: tuple[str, ...]) -> None:
    """Types added, dropped, or renamed so that others stand in their places: brute force over all of up to three."""
    states = torch.randn(2, 5, 8, dtype=torch.float64)
    old = head_of(variant, types=("B", "C"), seed=0)
    before = head_of(variant, types=types, seed=1)
    new = head_of(variant, types=types, seed=1)
    new.take_over(old)
    for of_label in (lambda head: logits_by_label(head, states), scores_by_label):
        theirs, untouched, found = of_label(old), of_label(before), of_label(new)
        assert set(found) == set(untouched)
        for label, value in found.items():
            wanted = theirs.get(label)
            if wanted is not None:
                torch.testing.assert_close(value, wanted)
            elif of_label is scores_by_label:
                assert value == untouched[label]
    assert new.rows()
    for name, (ours, *_) in new.rows().items():
        fresh = [row for row, label in enumerate(ours) if label not in old.rows()[name][0]]
        assert torch.equal(new.state_dict()[name][fresh], before.state_dict()[name][fresh])


@pytest.mark.parametrize("variant", ["crf", "softmax"])
def test_heads_of_tags_take_over_from_a_scheme_with_other_letters(variant: str) -> None:
    states = torch.randn(2, 5, 8, dtype=torch.float64)
    old, new = head_of(variant, "BILOU", ("A", "B"), seed=0), head_of(variant, "BMES", ("B", "C"), seed=1)
    new.take_over(old)
    theirs, found = logits_by_label(old, states), logits_by_label(new, states)
    common = set(theirs) & set(found)
    assert common == {("",), *(("B", place) for place in ("first", "middle", "last", "single"))}
    for label in common:
        torch.testing.assert_close(found[label], theirs[label])
