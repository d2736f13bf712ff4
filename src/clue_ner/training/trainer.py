"""transformers' Trainer with batches of like length, learning rates a part, and valid F1 after each epoch."""

import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import PrinterCallback, ProgressCallback, TrainingArguments

from clue_ner.core.params import TrainParams
from clue_ner.network.model import TaggerModel, collate
from clue_ner.training import device, distributed, model_setup
from clue_ner.training.checkpoints import Checkpoints
from clue_ner.training.ema import Average
from clue_ner.training.evaluation_callback import Epochs, History, ProgressBar, Validate
from clue_ner.training.fgm import Adversary
from clue_ner.training.loss import TAUGHT, Objective
from clue_ner.training.optimizer import parameter_groups
from clue_ner.training.resume import ResumingTrainer
from clue_ner.training.sampler import EpochLoader, LengthBatches
from clue_ner.training.teacher import Teacher


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
    model_setup.prepare(model, params)
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
