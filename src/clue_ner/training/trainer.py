"""transformers' Trainer with length-grouped batches, learning rates for each part, and F1 on valid after each epoch."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import PrinterCallback, ProgressCallback, TrainingArguments

from clue_ner.alignment.encode import Example, collate_examples
from clue_ner.core.params import TrainParams
from clue_ner.network.device import kind
from clue_ner.network.model import TaggerModel
from clue_ner.training import device, distributed, divergence, model_setup
from clue_ner.training.checkpoints import Checkpoints
from clue_ner.training.ema import ExponentialMovingAverage
from clue_ner.training.evaluation_callback import EvaluationCallback, History, StepProgress, Validate
from clue_ner.training.fgm import FastGradientMethod
from clue_ner.training.loss import TEACHER_LOGITS, TrainingLoss
from clue_ner.training.optimizer import parameter_groups
from clue_ner.training.resume import ResumingTrainer
from clue_ner.training.sampler import EpochLoader, LengthGroupedBatches
from clue_ner.training.teacher import Teacher


def arguments(params: TrainParams, seed: int, folder: str, encoder: Any = None) -> TrainingArguments:
    """Trainer's arguments for ``params`` and ``encoder``; Trainer may put its own files into ``folder``."""
    place, form = kind(), device.number_format(params.precision, encoder)
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
        tf32=True if place == "cuda" else None,
        use_cpu=place == "cpu",
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
        dataloader_pin_memory=place == "cuda",
    )


class NerTrainer(ResumingTrainer):
    """Fine-tunes a TaggerModel on examples, optionally with a teacher."""

    optimizer: Any

    def __init__(
        self,
        model: TaggerModel,
        args: TrainingArguments,
        params: TrainParams,
        examples: Sequence[Example],
        pad_id: int,
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__(model=model, args=args, train_dataset=examples, data_collator=partial(_collate, pad_id=pad_id))
        self.params, self.teacher = params, teacher
        self.training_loss = TrainingLoss(model.head, params)
        embeddings = model.encoder.get_input_embeddings()
        self.fgm = FastGradientMethod(embeddings, params.fgm_epsilon) if params.fgm_epsilon else None
        self.model_accepts_loss_kwargs = False

    def compute_loss(
        self, model: Any, inputs: Mapping[str, Tensor], return_outputs: bool = False, **_: Any
    ) -> Tensor | tuple[Tensor, Tensor]:
        """The training loss on a batch, a scalar; with its logits if ``return_outputs``."""
        loss, logits = self.training_loss(model, inputs)
        return (loss, logits) if return_outputs else loss

    def training_step(self, model: Any, inputs: Mapping[str, Tensor], *others: Any, **named: Any) -> Tensor:
        """Add the gradients of a batch, with FGM also those of the perturbed batch; returns the unperturbed loss."""
        if self.teacher is not None:
            with self.accelerator.autocast():
                inputs = {**inputs, TEACHER_LOGITS: self.teacher.logits(inputs, self.args.device)}
        gradient = partial(super().training_step, model, inputs, *others, **named)
        loss: Tensor
        if self.fgm is None:
            loss = gradient()
        else:
            with self.fgm.recording():
                loss = gradient()
            with self.fgm.perturbed():
                gradient()
        step, epoch = self.state.global_step + 1, int(self.state.epoch or 0) + 1
        divergence.check_loss(loss, step, epoch, self.optimizer, self.params)
        return loss

    def get_train_dataloader(self) -> EpochLoader:
        """Length-grouped batches, whose order depends on seed and epoch."""
        examples = self.train_dataset
        sampler = LengthGroupedBatches(
            [len(example.input_ids) for example in examples],
            self.params.batch_size,
            self.args.data_seed,
            distributed.rank(),
            self.params.processes,
        )
        return EpochLoader(
            examples, batch_sampler=sampler, collate_fn=self.data_collator, pin_memory=self.args.dataloader_pin_memory
        )

    def create_optimizer(self, model: Any = None) -> Any:
        """AdamW with the parameter groups of ``optimizer.py``."""
        if self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            self.optimizer = kind(parameter_groups(model or self.model, self.params), **options)
        return self.optimizer


def fit(
    model: TaggerModel,
    examples: Sequence[Example],
    pad_id: int,
    params: TrainParams,
    seed: int,
    folder: str,
    validate: Validate | None,
    on_epoch: Callable[[History], None],
    checkpoints: Checkpoints | None = None,
    teacher: Teacher | None = None,
) -> History:
    """Train ``model`` in place; at the end it has the weights of the kept epoch.

    - ``examples``: the windows of train; ``pad_id``: the padding token
    - ``seed``: for the order of the batches and dropout
    - ``folder``: for Trainer's own files
    - ``validate``: scores a model on valid after each epoch; None without a valid split
    - ``on_epoch``: called with the history at the end of each epoch
    - ``checkpoints``: where to save; the newest one is resumed from
    - ``teacher``: for distillation
    """
    model_setup.prepare(model, params)
    trainer = NerTrainer(model, arguments(params, seed, folder, model.encoder), params, examples, pad_id, teacher)
    average = ExponentialMovingAverage(model, params.ema_decay) if params.ema_decay else None
    evaluation = EvaluationCallback(params, validate, on_epoch, average)
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    shown = StepProgress()
    if distributed.is_main_process():
        trainer.add_callback(shown)
    if average is not None:
        trainer.add_callback(average)
    trainer.add_callback(evaluation)
    if checkpoints is not None:
        trainer.use(checkpoints, params.checkpoint_seconds, evaluation)
    if not evaluation.is_done():
        with contextlib.closing(shown):
            trainer.train(resume_from_checkpoint=trainer.newest and str(trainer.newest))
    evaluation.restore(model)
    return evaluation.history


def _collate(examples: Sequence[Example], pad_id: int) -> dict[str, Tensor]:
    return {name: torch.from_numpy(values) for name, values in collate_examples(examples, pad_id).items()}
