"""transformers' Trainer with batches of like length, learning rates a part, and valid F1 after each epoch."""

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import psutil
import torch
from torch import Tensor
from transformers import PrinterCallback, ProgressCallback, TrainerCallback, TrainingArguments

from clue_ner.model import TaggerModel, collate
from clue_ner.params import TrainParams
from clue_ner.training import device, distributed, start
from clue_ner.training.adversary import Adversary
from clue_ner.training.average import Average
from clue_ner.training.batches import EpochLoader, LengthBatches
from clue_ner.training.checkpoints import Checkpoints
from clue_ner.training.objective import TAUGHT, Objective
from clue_ner.training.rates import parameter_groups
from clue_ner.training.resuming import ResumingTrainer
from clue_ner.training.teacher import Teacher

logger = logging.getLogger(__name__)

Validate = Callable[[TaggerModel], dict[str, float]]
"""Scores of a model on valid: micro_f1, precision, recall."""


@dataclass
class History:
    """What each epoch gave; the seconds are kept apart, so that equal runs give equal metrics."""

    epochs: list[dict[str, Any]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    best: int = 0
    peak_memory_gb: float = 0.0


def arguments(params: TrainParams, seed: int, folder: str) -> TrainingArguments:
    """Trainer's arguments for ours; ``folder`` is where it may put files of its own."""
    on_gpu, form = torch.cuda.is_available(), device.number_format(params.precision)
    return TrainingArguments(
        output_dir=folder,
        learning_rate=params.lr,
        num_train_epochs=params.epochs,
        per_device_train_batch_size=params.batch_size // params.processes,
        warmup_steps=params.warmup,
        weight_decay=params.weight_decay,
        max_grad_norm=params.max_grad_norm,
        lr_scheduler_type="linear",
        optim="adamw_torch_fused",
        bf16=form == "bf16",
        fp16=form == "fp16",
        tf32=True if on_gpu else None,
        use_cpu=not on_gpu,
        torch_compile=params.compile,
        ddp_backend=distributed.backend() if params.processes > 1 else None,
        ddp_find_unused_parameters=False,
        seed=seed,
        data_seed=seed,
        save_strategy="no",
        eval_strategy="no",
        logging_strategy="epoch",
        report_to="none",
        remove_unused_columns=False,
        dataloader_pin_memory=on_gpu,
    )


class NerTrainer(ResumingTrainer):
    """Fine-tunes a TaggerModel on encoded rows, with a teacher if there is one."""

    optimizer: Any

    def __init__(
        self,
        model: TaggerModel,
        args: TrainingArguments,
        params: TrainParams,
        rows: Any,
        pad_id: int,
        teacher: Teacher | None = None,
    ) -> None:
        types = model.head.spec.types
        super().__init__(
            model=model, args=args, train_dataset=rows, data_collator=lambda batch: collate(batch, pad_id, types)
        )
        self.params, self.teacher = params, teacher
        self.objective = Objective(model.head, params)
        embeddings = model.encoder.get_input_embeddings()
        self.adversary = Adversary(embeddings, params.fgm_epsilon) if params.fgm_epsilon else None
        self.model_accepts_loss_kwargs = False

    def compute_loss(
        self, model: Any, inputs: Mapping[str, Tensor], return_outputs: bool = False, **_: Any
    ) -> Tensor | tuple[Tensor, Tensor]:
        """The objective on a batch."""
        loss, logits = self.objective(model, inputs)
        return (loss, logits) if return_outputs else loss

    def training_step(self, model: Any, inputs: Mapping[str, Tensor], *others: Any, **named: Any) -> Tensor:
        """The gradient of a batch, and of the same batch attacked; the loss is that before the attack."""
        if self.teacher is not None:
            with self.accelerator.autocast():
                inputs = {**inputs, TAUGHT: self.teacher.logits(inputs, self.args.device)}
        step = partial(super().training_step, model, inputs, *others, **named)
        loss: Tensor
        if self.adversary is None:
            loss = step()
        else:
            with self.adversary.watching():
                loss = step()
            with self.adversary.attacking():
                step()
        return loss

    def get_train_dataloader(self) -> EpochLoader:
        """Batches of like length; their order is a function of seed and epoch."""
        columns = ("input_ids", "unit_tokens", "unit_characters", "unit_places", "unit_lengths", "labels", "entities")
        rows = self.train_dataset.select_columns(list(columns)).to_list()
        sampler = LengthBatches(
            [len(row["input_ids"]) for row in rows],
            self.params.batch_size,
            self.args.data_seed,
            distributed.rank(),
            self.params.processes,
        )
        return EpochLoader(
            rows, batch_sampler=sampler, collate_fn=self.data_collator, pin_memory=self.args.dataloader_pin_memory
        )

    def create_optimizer(self, model: Any = None) -> Any:
        """AdamW with a learning rate for the encoder, the head and its transitions; no decay of biases and norms."""
        if self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            self.optimizer = kind(parameter_groups(model or self.model, self.params), **options)
        return self.optimizer


class Epochs(TrainerCallback):  # type: ignore[misc]
    """After each epoch: valid scores, one line, the history, and the weights if they are the best so far."""

    def __init__(
        self,
        params: TrainParams,
        validate: Validate | None,
        tell: Callable[[History], None],
        average: Average | None = None,
    ) -> None:
        self.params, self.validate, self.tell, self.average = params, validate, tell, average
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
        """The history and the seconds that this epoch has taken so far."""
        return {"history": asdict(self.history), "seconds": time.perf_counter() - self._started}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take the values that ``state`` gave."""
        self.history, self._before = History(**state["history"]), state["seconds"]

    def is_done(self) -> bool:
        """Whether ``patience`` is at its end."""
        return bool(self.params.patience) and self._waited() >= self.params.patience

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **others: Any) -> None:
        """Trainer's mean loss of the epoch arrives here, after ``on_epoch_end``."""
        if logs and "loss" in logs:
            with self.average.in_place() if self.average else contextlib.nullcontext():
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
        told = "".join(f"  {name} {value:.4f}" for name, value in row.items() if name != "epoch")
        logger.info("epoch %d/%d%s  %.0f s", epoch, self.params.epochs, told, history.seconds[-1])
        self.tell(history)
        if self.is_done():
            control.should_training_stop = True

    def _is_best(self, row: dict[str, Any]) -> bool:
        if self.validate is None or self.params.keep == "last" or not self.history.best:
            return True
        return bool(row["valid_micro_f1"] > self.history.epochs[self.history.best - 1]["valid_micro_f1"])

    def _waited(self) -> int:
        """Epochs since the best valid F1, whichever is kept; 0 without a valid split."""
        scores = [row.get("valid_micro_f1", 0.0) for row in self.history.epochs]
        return 0 if self.validate is None or not scores else len(scores) - 1 - scores.index(max(scores))

    def restore(self, model: TaggerModel) -> None:
        """Give ``model`` the weights of the epoch that is kept."""
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name in self.kept:
                    parameter.copy_(self.kept[name])


class ProgressBar(ProgressCallback):  # type: ignore[misc]
    """Trainer's bar without its print of every log; the epoch's own line says more."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Nothing."""


def fine_tune(
    model: TaggerModel,
    rows: Any,
    pad_id: int,
    params: TrainParams,
    seed: int,
    folder: str,
    validate: Validate | None,
    tell: Callable[[History], None],
    checkpoints: Checkpoints | None = None,
    teacher: Teacher | None = None,
) -> History:
    """Train ``model`` in place on encoded ``rows``; ``tell`` hears of every epoch; the kept epoch's weights remain.

    With ``checkpoints``, it goes on from the newest of them.
    """
    start.prepare(model, params)
    trainer = NerTrainer(model, arguments(params, seed, folder), params, rows, pad_id, teacher)
    average = Average(model, params.ema_decay) if params.ema_decay else None
    epochs = Epochs(params, validate, tell, average)
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    if sys.stderr.isatty():
        trainer.add_callback(ProgressBar())
    if average is not None:
        trainer.add_callback(average)
    trainer.add_callback(epochs)
    if checkpoints is not None:
        trainer.use(checkpoints, params.checkpoint_seconds, epochs)
    if not epochs.is_done():
        trainer.train(resume_from_checkpoint=trainer.newest and str(trainer.newest))
    epochs.restore(model)
    return epochs.history
