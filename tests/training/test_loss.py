"""The loss of a batch: class weights, R-Drop, a teacher."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from support.trainings import HEADS, batch_of, change, outputs
from torch import Tensor

from clue_ner.common.errors import ParamsError
from clue_ner.core.params import TrainParams
from clue_ner.network.model import TaggerModel
from clue_ner.training.loss import TEACHER_LOGITS, TrainingLoss

WEIGHED = [head for head in HEADS if head != "crf"]

# --- r_drop


@pytest.mark.parametrize("head", HEADS)
def test_r_drop_is_zero_without_dropout(setting: Any, params: TrainParams, head: str) -> None:
    made = setting(head)
    model, batch = made.model(dropout=0.0).train(), batch_of(made)
    plain, _ = TrainingLoss(model.head, change(params, r_drop=0.0))(model, batch)
    twice, logits = TrainingLoss(model.head, change(params, r_drop=100.0))(model, batch)
    assert len(logits) == 2 * 6
    assert twice.item() == pytest.approx(plain.item(), rel=1e-4)


@pytest.mark.parametrize("head", HEADS)
def test_r_drop_adds_the_divergence_of_two_passes(setting: Any, params: TrainParams, head: str) -> None:
    made = setting(head)
    model, batch = made.model(dropout=0.3).train(), batch_of(made)
    loss, logits = TrainingLoss(model.head, change(params, r_drop=2.0))(model, batch)
    one, other = logits.chunk(2)
    gold = (model.head.loss(one, batch) + model.head.loss(other, batch)) / 2
    mask = batch["unit_mask"]
    between = model.head.divergence(one, other, mask) + model.head.divergence(other, one, mask)
    assert between.item() > 1e-4
    assert loss.item() == pytest.approx((gold + between).item(), rel=1e-5)


# --- teacher


@pytest.mark.parametrize("head", HEADS)
def test_teacher_and_gold_share_the_loss(setting: Any, params: TrainParams, head: str) -> None:
    made = setting(head)
    model, batch = made.model(dropout=0.0).eval(), batch_of(made)
    taught = outputs(made.model(3).eval(), batch).detach()
    training_loss = TrainingLoss(model.head, change(params, teacher_weight=0.3, temperature=2.0))
    loss, logits = training_loss(model, batch | {TEACHER_LOGITS: taught})
    soft = model.head.divergence(logits / 2, taught / 2, batch["unit_mask"]).item()
    assert soft > 1e-3
    assert loss.item() == pytest.approx(0.7 * model.head.loss(logits, batch).item() + 0.3 * 4 * soft, rel=1e-4)
    twice, _ = TrainingLoss(model.head, change(params, teacher_weight=0.3, r_drop=1.0))(
        model, batch | {TEACHER_LOGITS: taught}
    )
    assert twice.item() == pytest.approx(loss.item(), rel=1e-4)


# --- class_weights


@pytest.mark.parametrize("head", WEIGHED)
def test_class_weights_change_the_loss_of_their_type_only(setting: Any, head: str) -> None:
    made = setting(head)
    model, batch = made.model(dropout=0.0).eval(), batch_of(made)
    logits = outputs(model, batch).detach()

    def loss(**weights: float) -> float:
        model.head.set_class_weights(weights)
        return float(model.head.loss(logits.double(), batch))

    plain = loss()
    parts = {type_: loss(**{type_: 2.0}) - plain for type_ in model.head.spec.types}
    assert all(part > 1e-3 for part in parts.values())
    assert loss(PER=3.5) == pytest.approx(plain + 2.5 * parts["PER"], rel=1e-5)
    assert loss(LOC=2.0, PER=0.5) == pytest.approx(plain + parts["LOC"] - 0.5 * parts["PER"], rel=1e-5)


def _losses(
    model: TaggerModel, logits: Tensor, batch: dict[str, Tensor], weights: list[dict[str, float]]
) -> Iterator[Tensor]:
    for some in weights:
        model.head.set_class_weights(some)
        yield model.head.loss(logits, batch)


@pytest.mark.parametrize("head", ["span", "global_pointer"])
def test_class_weights_leave_the_gradients_of_other_types(setting: Any, head: str) -> None:
    made = setting(head)
    model, batch = made.model(dropout=0.0).eval(), batch_of(made)
    logits = outputs(model, batch).detach().requires_grad_()
    plain, weighed = (
        torch.autograd.grad(loss, logits)[0] for loss in _losses(model, logits, batch, [{}, {"PER": 3.0}])
    )
    axis = 2 if head == "span" else 1
    number = model.head.spec.types.index("PER")
    of_type = [number, number + 3] if head == "span" else [number]
    factor = torch.ones(logits.shape[axis])
    factor[of_type] = 3.0
    torch.testing.assert_close(weighed, plain * factor.view([-1 if i == axis else 1 for i in range(logits.ndim)]))


def test_class_weights_of_softmax_are_those_of_each_unit(setting: Any) -> None:
    made = setting("softmax")
    model, batch = made.model(dropout=0.0).eval(), batch_of(made)
    logits, tags = outputs(model, batch).detach(), model.head.spec.tags
    model.head.set_class_weights({"ORG": 4.0})
    losses = []
    for row, unit in batch["unit_mask"].nonzero().tolist():
        label = int(batch["labels"][row, unit])
        losses.append(-float(logits[row, unit].log_softmax(0)[label]) * (4.0 if "ORG" in tags[label] else 1.0))
    assert float(model.head.loss(logits, batch)) == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_class_weights_of_biaffine_are_those_of_each_span(setting: Any) -> None:
    made = setting("biaffine")
    model, batch = made.model(dropout=0.0).eval(), batch_of(made)
    logits = outputs(model, batch).detach().requires_grad_()
    losses = _losses(model, logits, batch, [{}, {"PER": 3.0}])
    plain, weighed = (torch.autograd.grad(loss, logits)[0] for loss in losses)
    factor = torch.ones(len(logits), 1, *logits.shape[2:])
    for row, start, end, type_ in (
        (row, *entity) for row, some in enumerate(batch["entities"].tolist()) for entity in some
    ):
        if type_ == model.head.spec.types.index("PER"):
            factor[row, 0, start, end - 1] = 3.0
    assert (factor == 3.0).sum() > 2
    torch.testing.assert_close(weighed, plain * factor)


def test_class_weights_of_a_type_that_is_not_there(setting: Any, params: TrainParams, tmp_path: Path) -> None:
    made = setting("softmax")
    with pytest.raises(ParamsError, match=r"train\.class_weights: no type CITY in the corpus; there are LOC, ORG, PER"):
        made.fit(made.model(), change(params, head="softmax", class_weights={"CITY": 2.0}), tmp_path)
