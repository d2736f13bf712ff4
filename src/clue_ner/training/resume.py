"""transformers' Trainer with checkpoints from which it resumes to the same bytes as an uninterrupted training.

Trainer's own checkpoints lack the loss since the last log and are written in place. A checkpoint here has exactly the
state that training changes: trainable weights and their average, optimizer, scheduler, scaler, random number generators
and loss of each process, the history, and the weights of the best epoch.
"""

import json
import logging
import random
import time
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate.utils import broadcast_object_list, gather_object
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import Trainer, TrainerCallback

from clue_ner.network.device import kind
from clue_ner.training import distributed
from clue_ner.training.checkpoints import Checkpoints
from clue_ner.training.ema import ExponentialMovingAverage

logger = logging.getLogger(__name__)

AVERAGE = "average.safetensors"
COST = 1 / 50
"""Maximum share of the training time for writing checkpoints."""


class Progress(Protocol):
    """The state of a training in addition to Trainer's."""

    def state(self) -> dict[str, Any]:
        """The state as plain JSON values."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore the values from ``state``."""

    kept: dict[str, Tensor]
    average: ExponentialMovingAverage | None


class ResumingTrainer(Trainer):  # type: ignore[misc]
    """Saves to ``checkpoints`` at intervals, and resumes from the newest one."""

    checkpoints: Checkpoints | None = None
    progress: Progress
    newest: Path | None = None
    """the checkpoint from which this training resumes"""

    def use(self, checkpoints: Checkpoints, seconds: float, progress: Progress) -> None:
        """Save to ``checkpoints`` every ``seconds`` (0: after every step), and prepare to resume from the newest."""
        self.checkpoints, self.progress = checkpoints, progress
        self.add_callback(_Saving(self, seconds))
        self.newest = broadcast_object_list([checkpoints.newest() if distributed.is_main_process() else None])[0]
        if self.newest is not None:
            made = _read(self.newest)
            progress.load_state(made["progress"])
            if made["kept"]:
                progress.kept = load_file(self.newest / made["kept"])
            if progress.average is not None:
                progress.average.load(load_file(self.newest / AVERAGE))
            logger.info("resuming from %s", self.newest)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Called by Trainer when a callback has set ``should_save``."""
        assert self.checkpoints is not None
        processes = gather_object([{"rng": _random_state(), "loss": self._tr_loss.item()}])
        if not distributed.is_main_process():
            return
        started = time.perf_counter()
        self.checkpoints.write(self.state.global_step, lambda folder: self._fill(folder, processes))
        self.checkpoints.seconds = time.perf_counter() - started

    def _fill(self, folder: Path, processes: list[Any]) -> None:
        """Write the files of a checkpoint."""
        weights = {name: p.detach() for name, p in self.model.named_parameters() if p.requires_grad}
        save_file(_packed(weights), folder / "model.safetensors")
        kept = self._save_kept(folder, weights)
        if self.progress.average is not None:
            save_file(_packed(self.progress.average.weights), folder / AVERAGE)
        self._save_optimizer_and_scheduler(str(folder))
        self._save_scaler(str(folder))
        torch.save(processes, folder / "processes.pt")
        made = {"progress": self.progress.state(), "kept": kept, "logged": self._globalstep_last_logged}
        (folder / "progress.json").write_text(json.dumps(made), encoding="utf-8")
        self.state.save_to_json(str(folder / "trainer_state.json"))

    def _save_kept(self, folder: Path, weights: dict[str, Tensor]) -> str | None:
        """The name of the file with the best epoch's weights; only written if they are not the current weights."""
        kept = self.progress.kept
        if not kept:
            return None
        if all(torch.equal(weights[name], value) for name, value in kept.items()):
            return "model.safetensors"
        save_file(_packed(kept), folder / "kept.safetensors")
        return "kept.safetensors"

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Called by Trainer before it creates the optimizer."""
        weights = load_file(Path(resume_from_checkpoint) / "model.safetensors")
        with torch.no_grad():
            for name, parameter in self.model.named_parameters():
                if parameter.requires_grad:
                    parameter.copy_(weights[name])

    def _load_rng_state(self, checkpoint: str | None) -> None:
        """Called by Trainer at the start of the first epoch, or of the rest of it."""
        if checkpoint is not None:
            _set_random_state(self._process(checkpoint)["rng"])

    def restore_loss(self) -> None:
        """Restore the loss since the last log, which Trainer sets to zero."""
        if self.newest is not None:
            self._tr_loss.fill_(self._process(self.newest)["loss"])
            self._globalstep_last_logged = _read(self.newest)["logged"]

    @staticmethod
    def _process(checkpoint: str | Path) -> Any:
        return torch.load(Path(checkpoint) / "processes.pt", weights_only=True)[distributed.rank()]


class _Saving(TrainerCallback):  # type: ignore[misc]
    """Decides when to save: within an epoch after a step, at its end after the evaluation on valid."""

    def __init__(self, trainer: ResumingTrainer, seconds: float) -> None:
        self.trainer, self.seconds = trainer, seconds
        self._last = time.perf_counter()

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock."""
        self.trainer.restore_loss()
        self._last = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save if due, except after the last step of an epoch: resuming there would skip the evaluation on valid."""
        control.should_save = state.epoch != int(state.epoch) and self._is_due()

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save if it is due."""
        control.should_save = self._is_due()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Restart the clock."""
        self._last = time.perf_counter()

    def _is_due(self) -> bool:
        assert self.trainer.checkpoints is not None
        wait = max(self.seconds, self.trainer.checkpoints.seconds / COST) if self.seconds else 0.0
        return bool(broadcast_object_list([time.perf_counter() - self._last >= wait])[0])


def _read(checkpoint: Path) -> Any:
    return json.loads((checkpoint / "progress.json").read_text(encoding="utf-8"))


def _packed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.cpu().contiguous() for name, value in tensors.items()}


def _random_state() -> dict[str, Any]:
    own = {"cuda": torch.cuda.get_rng_state, "mps": torch.mps.get_rng_state}.get(kind())
    return {"python": random.getstate(), "cpu": torch.get_rng_state(), "device": own() if own else None}


def _set_random_state(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    torch.set_rng_state(state["cpu"])
    if state["device"] is not None:
        (torch.cuda if kind() == "cuda" else torch.mps).set_rng_state(state["device"])
