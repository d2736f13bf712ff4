"""After each epoch: scores on valid, a line in the log, the history, and the choice of the weights to keep."""

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import psutil
import torch
from torch import Tensor
from transformers import TrainerCallback

from clue_ner.common.progress import progress
from clue_ner.core.params import TrainParams
from clue_ner.network.model import TaggerModel
from clue_ner.training.divergence import check_weights
from clue_ner.training.ema import ExponentialMovingAverage

logger = logging.getLogger(__name__)

Validate = Callable[[TaggerModel], dict[str, float]]
"""Scores of a model on valid: micro_f1, precision, recall."""


@dataclass
class History:
    """The results of each epoch; seconds are a separate list, so that equal runs give equal metrics."""

    epochs: list[dict[str, Any]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    best: int = 0
    """the epoch whose weights are kept, from 1"""
    peak_memory_gb: float = 0.0

    def summary(self) -> dict[str, Any]:
        """``metrics/train.json``: the epochs, the kept one, and its valid F1 (None without a valid split)."""
        kept = self.epochs[self.best - 1]
        return {"epochs": self.epochs, "best_epoch": self.best, "valid_micro_f1": kept.get("valid_micro_f1")}


class EvaluationCallback(TrainerCallback):  # type: ignore[misc]
    """After each epoch: scores on valid, a log line, the history, and a copy of the weights if they are the best."""

    def __init__(
        self,
        params: TrainParams,
        validate: Validate | None,
        on_epoch: Callable[[History], None],
        average: ExponentialMovingAverage | None = None,
    ) -> None:
        self.params, self.validate, self.on_epoch, self.average = params, validate, on_epoch, average
        self.history = History()
        self.kept: dict[str, Tensor] = {}
        """the weights of the best epoch"""
        self._started = time.perf_counter()
        self._before = 0.0

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock."""
        self._started = time.perf_counter() - self._before
        self._before = 0.0

    def state(self) -> dict[str, Any]:
        """The history and the seconds of the current epoch, for a checkpoint."""
        return {"history": asdict(self.history), "seconds": time.perf_counter() - self._started}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the values from ``state``."""
        self.history, self._before = History(**state["history"]), state["seconds"]

    def is_done(self) -> bool:
        """Whether ``patience`` epochs have passed without a better F1."""
        return bool(self.params.patience) and self._waited() >= self.params.patience

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **others: Any) -> None:
        """Called by Trainer with the mean loss of the epoch, after ``on_epoch_end``."""
        if logs and "loss" in logs:
            epoch = len(self.history.epochs) + 1
            check_weights(others["model"], state.global_step, epoch, others["optimizer"], self.params)
            with self.average.applied() if self.average else contextlib.nullcontext():
                self._finish(control, logs["loss"], others["model"])

    def _finish(self, control: Any, loss: float, model: TaggerModel) -> None:
        epoch = len(self.history.epochs) + 1
        row: dict[str, Any] = {"epoch": epoch, "loss": float(loss)}
        if self.validate is not None:
            scores = self.validate(model)
            row |= {f"valid_{name}": value for name, value in scores.items()}
        history = self.history
        history.epochs.append(row)
        history.seconds.append(time.perf_counter() - self._started)
        self._started = time.perf_counter()
        history.peak_memory_gb = max(history.peak_memory_gb, psutil.Process().memory_info().rss / 1e9)
        if self._is_best(row):
            history.best = epoch
            self.kept = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
        values = "".join(f"  {name} {value:.4f}" for name, value in row.items() if name != "epoch")
        logger.info("epoch %d/%d%s  %.0f s", epoch, self.params.epochs, values, history.seconds[-1])
        self.on_epoch(history)
        if self.is_done():
            control.should_training_stop = True

    def _is_best(self, row: dict[str, Any]) -> bool:
        """Of epochs with equal F1 the later one is best, so a model that finds nothing yet is always replaced."""
        if self.validate is None or self.params.keep == "last" or not self.history.best:
            return True
        return bool(row["valid_micro_f1"] >= self.history.epochs[self.history.best - 1]["valid_micro_f1"])

    def _waited(self) -> int:
        """Epochs since the best valid F1, whichever epoch is kept; 0 while F1 is 0, or without a valid split."""
        scores = [row.get("valid_micro_f1", 0.0) for row in self.history.epochs]
        return len(scores) - 1 - scores.index(max(scores)) if any(scores) else 0

    def restore(self, model: TaggerModel) -> None:
        """Load the weights of the kept epoch into ``model``."""
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name in self.kept:
                    parameter.copy_(self.kept[name])


class StepProgress(TrainerCallback):  # type: ignore[misc]
    """A progress bar of the training steps; log lines appear above it."""

    def __init__(self) -> None:
        self._shown = contextlib.ExitStack()
        self._advance: Callable[[int], None] = lambda _: None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the bar, after a resume at the checkpoint's step."""
        self._advance = self._shown.enter_context(progress("training steps", state.max_steps, state.global_step))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Advance by one step."""
        self._advance(1)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Remove the bar."""
        self.close()

    def close(self) -> None:
        """Remove the bar, also after an error."""
        self._shown.close()
