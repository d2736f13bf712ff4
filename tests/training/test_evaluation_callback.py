"""Scores after each epoch: which epoch is kept, when training stops, what is reported."""

import logging
from pathlib import Path
from typing import Any

import pytest
from support.trainings import Setting, change, equal_weights, state

from clue_ner.core.params import TrainParams
from clue_ner.network.model import TaggerModel
from clue_ner.training.evaluation_callback import History


def _scripted(
    setting: Setting, params: TrainParams, folder: Path, scores: list[float]
) -> tuple[History, Any, Any, int]:
    """Train with these valid scores; the history, the state after each epoch, the final one, calls of ``on_epoch``."""
    states, reported = [], []

    def validate(model: TaggerModel) -> dict[str, float]:
        model.eval()
        states.append(state(model))
        return {"micro_f1": scores[len(states) - 1], "precision": 0.5, "recall": 0.25}

    def on_epoch(history: History) -> None:
        reported.append(len(history.epochs))

    model = setting.model()
    history = setting.fit(model, change(params, epochs=len(scores)), folder, validate, on_epoch)
    assert reported == list(range(1, len(states) + 1))
    return history, states, state(model), len(reported)


@pytest.mark.parametrize(
    ("keep", "patience", "scores", "kept", "ran"),
    [
        ("best", 0, [0.1, 0.5, 0.3], 2, 3),
        ("best", 0, [0.4, 0.4, 0.3], 2, 3),  # of equals, the last
        ("best", 0, [0.0, 0.0, 0.0], 3, 3),
        ("best", 1, [0.0, 0.0, 0.1, 0.1], 4, 4),  # nobody waits for a better score than none
        ("best", 0, [0.0, 0.0, 0.1], 3, 3),
        ("last", 0, [0.9, 0.5, 0.3], 3, 3),
        ("best", 1, [0.1, 0.5, 0.3, 0.9], 2, 3),
        ("best", 2, [0.5, 0.1, 0.6, 0.2, 0.3, 0.9], 3, 5),
        ("last", 2, [0.5, 0.1, 0.2, 0.9], 3, 3),
    ],
)
def test_training_keeps_and_stops_by_valid_f1(
    setting: Any,
    params: TrainParams,
    tmp_path: Path,
    keep: str,
    patience: int,
    scores: list[float],
    kept: int,
    ran: int,
) -> None:
    params = change(params, keep=keep, patience=patience)
    history, states, final, calls = _scripted(setting("softmax", "pieces"), params, tmp_path, scores)
    assert (history.best, len(history.epochs), calls) == (kept, ran, ran)
    assert equal_weights(states[kept - 1], final)
    assert not equal_weights(states[kept - 2], final)


def test_training_without_valid_keeps_the_last_epoch(setting: Any, params: TrainParams, tmp_path: Path) -> None:
    made = setting("softmax", "pieces")
    history, states, _, _ = _scripted(made, change(params, keep="last"), tmp_path, [0.3, 0.2, 0.1])
    model = made.model()
    without = made.fit(model, change(params, keep="best", patience=1), tmp_path)
    assert [set(row) for row in without.epochs] == [{"epoch", "loss"}] * 3
    assert [row["loss"] for row in without.epochs] == [row["loss"] for row in history.epochs]
    assert without.best == 3
    assert equal_weights(states[-1], state(model))  # to look at valid changes nothing


def test_training_history_has_each_epoch(
    setting: Any, params: TrainParams, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="clue_ner"):
        history, *_ = _scripted(setting("softmax", "pieces"), params, tmp_path, [0.1, 0.5, 0.3])
    assert [row["epoch"] for row in history.epochs] == [1, 2, 3]
    assert [row["valid_micro_f1"] for row in history.epochs] == [0.1, 0.5, 0.3]
    assert all(
        set(row) == {"epoch", "loss", "valid_micro_f1", "valid_precision", "valid_recall"} for row in history.epochs
    )
    assert history.epochs[0]["loss"] > history.epochs[2]["loss"] > 0
    assert len(history.seconds) == 3
    assert min(history.seconds) > 0
    assert history.peak_memory_gb > 0.1
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("clue_ner")]
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert "valid_micro_f1 0.5000" in lines[1]
    assert list(tmp_path.iterdir()) == []
