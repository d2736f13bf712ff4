"""A training whose numbers are none any more: it stops in that step, says where, and leaves nothing."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.trainings import HEADS, change

from clue_ner.common.errors import TrainingError
from clue_ner.core.params import TrainParams
from clue_ner.training.divergence import check_weights


@pytest.mark.parametrize("head", HEADS)
def test_training_with_a_rate_that_is_far_too_high_stops(
    setting: Any, params: TrainParams, tmp_path: Path, head: str
) -> None:
    """The slip of 4e5 for 4e-5."""
    made, epochs = setting(head), []
    with pytest.raises(TrainingError) as info:
        made.fit(
            made.model(),
            change(params, head=head, lr=4e5, epochs=4),
            tmp_path,
            on_epoch=lambda history: epochs.append(len(history.epochs)),
        )
    message = str(info.value)
    step = 1 + 3 * len(epochs)
    assert any(
        message.startswith(f"training stopped in step {step + i}, epoch {len(epochs) + 1} of 4: ") for i in (0, 1, 2)
    )
    assert "at learning rate " in message
    assert "train.lr is 400000" in message
    assert message.endswith("Nothing was saved")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_training_stops_in_the_step_whose_loss_is_no_number(
    setting: Any, params: TrainParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    made = setting("softmax")
    head_type = type(made.model().head)
    original, calls = head_type.loss, []

    def loss(self: Any, *arguments: Any) -> Any:
        calls.append(1)
        return original(self, *arguments) * (value if len(calls) == 5 else 1.0)

    monkeypatch.setattr(head_type, "loss", loss)
    with pytest.raises(TrainingError, match=rf"in step 5, epoch 2 of 3: the loss is {value}, at learning rate") as info:
        made.fit(made.model(), change(params, epochs=3, lr=1e-3, warmup=0.0), tmp_path)
    assert f"at learning rate {1e-3 * (9 - 4) / 9:g} " in str(info.value)
    assert len(calls) == 5


def test_training_whose_last_step_ruins_a_weight_stops(params: TrainParams) -> None:
    """No later step would notice it by its loss."""
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    check_weights(model, 9, 3, optimizer, params)
    with torch.no_grad():
        model.bias[1] = float("inf")
    with pytest.raises(TrainingError, match=r"in step 9, epoch 3 of 3: weights of bias are not finite"):
        check_weights(model, 9, 3, optimizer, params)
    model.bias.requires_grad_(False)  # one that is not trained is as it came
    check_weights(model, 9, 3, optimizer, params)
