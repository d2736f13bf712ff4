"""The moving average of the weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.trainings import change, equal_weights, state

from clue_ner.core.params import TrainParams
from clue_ner.network.model import TaggerModel
from clue_ner.training.ema import ExponentialMovingAverage


def test_ema_is_what_a_hand_computes_and_what_is_scored_and_kept(
    setting: Any, params: TrainParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = setting("softmax", "pieces")
    model, scored, weights = made.model(), [], []
    began = state(model)
    update = ExponentialMovingAverage.on_step_end

    def recorded(self: ExponentialMovingAverage, *given: Any, **others: Any) -> None:
        weights.append(state(model))
        update(self, *given, **others)

    monkeypatch.setattr(ExponentialMovingAverage, "on_step_end", recorded)
    scores = iter([0.1, 0.5, 0.3])

    def validate(model: TaggerModel) -> dict[str, float]:
        scored.append(state(model))
        return {"micro_f1": next(scores), "precision": 0.5, "recall": 0.5}

    history = made.fit(model, change(params, ema_decay=0.4), tmp_path, validate)
    assert (history.best, len(weights)) == (2, 9)
    average, at_epochs = began, []
    for step, current in enumerate(weights, 1):
        decay = min(0.4, (1 + step) / (10 + step))
        average = {name: decay * average[name] + (1 - decay) * value for name, value in current.items()}
        at_epochs += [average] if step % 3 == 0 else []
    for found, expected in zip([*scored, state(model)], [*at_epochs, at_epochs[1]], strict=True):
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, msg=name)
    plain = made.model()
    seen: list[Any] = []
    made.fit(plain, params, tmp_path, lambda m: seen.append(state(m)) or {"micro_f1": 0.1, "precision": 0, "recall": 0})
    assert equal_weights(seen[2], weights[8])  # the average has no part in the training
