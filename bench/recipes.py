"""Three ways to fine-tune the same weights on the same sentences with the same batch size."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from bench.setting import IGNORED, Setting, amounts, facts, stock_model, stock_tokenizer, token_labels
from bench.worker import Turns
from clue_ner.training import device as chosen

PLAIN_EPOCHS, PLAIN_LR = 3, 2e-5


def plain(setting: Setting, turns: Turns) -> None:
    """A loop as in tutorials: random order, tokenised while batching, float32, Adam at one learning rate."""
    from torch.utils.data import DataLoader

    torch.manual_seed(setting.params.seed)
    aligner = setting.aligner("characters")
    tokenizer, device = stock_tokenizer(aligner), torch.device("cuda" if torch.cuda.is_available() else "cpu")
    items = [
        (sentence.text, token_labels(first))
        for sentence in setting.train
        if (first := next(setting.examples(aligner, [sentence]), None)) is not None
    ]

    def tokenise(batch: list[tuple[str, list[int]]]) -> Any:
        texts, labels = zip(*batch)
        encoded = tokenizer(list(texts), padding=True, truncation=True, max_length=aligner.window, return_tensors="pt")
        length = encoded["input_ids"].shape[1]
        encoded["labels"] = torch.tensor([row + [IGNORED] * (length - len(row)) for row in labels])
        return encoded

    stock, shell, config = stock_model(setting)
    stock.to(device).train()
    loader = DataLoader(items, batch_size=setting.params.train.batch_size, shuffle=True, collate_fn=tokenise)
    optimizer = torch.optim.Adam(stock.parameters(), lr=PLAIN_LR)
    turns.ready(facts(stock, "float32"), setting.scorer(shell, aligner, config))
    for _ in range(PLAIN_EPOCHS):
        for batch in loader:
            turns.count(**amounts(batch))
            batch = {name: batch[name].to(device) for name in ("input_ids", "attention_mask", "labels")}
            labels = batch.pop("labels")
            logits = stock(**batch).logits
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            turns.step()
    turns.finish()


def stock_trainer(setting: Setting, turns: Turns) -> None:
    """transformers' Trainer with its default arguments over every character."""
    from transformers import DataCollatorForTokenClassification, Trainer, TrainingArguments, set_seed

    class Metered(Trainer):
        def training_step(self, model: Any, inputs: Any, *others: Any, **named: Any) -> Any:
            turns.count(**amounts(inputs))
            return super().training_step(model, inputs, *others, **named)

    set_seed(setting.params.seed)
    aligner = setting.aligner("characters")
    rows = [
        {
            "input_ids": example.input_ids,
            "attention_mask": [1] * len(example.input_ids),
            "labels": token_labels(example),
        }
        for example in setting.examples(aligner)
    ]
    stock, shell, config = stock_model(setting)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch,
            per_device_train_batch_size=setting.params.train.batch_size,
            use_cpu=not torch.cuda.is_available(),
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
        )
        collator = DataCollatorForTokenClassification(stock_tokenizer(aligner))
        trainer = Metered(model=stock, args=arguments, train_dataset=rows, data_collator=collator)
        _run(trainer, turns, facts(stock, "float32"), setting.scorer(shell, aligner, config))


def ours(setting: Setting, turns: Turns) -> None:
    """As fine_tune trains: the train section of params.yaml."""
    from transformers import set_seed

    from clue_ner.training import model_setup
    from clue_ner.training.trainer import NerTrainer, arguments

    class Metered(NerTrainer):
        def training_step(self, model: Any, inputs: Any, *others: Any, **named: Any) -> Any:
            turns.count(**amounts(inputs, per_unit))
            return super().training_step(model, inputs, *others, **named)

    train = setting.params.train.model_copy(update={"processes": 1})
    align = setting.params.tagging.align
    aligner, config = setting.aligner(align), setting.config(train.head, align)
    examples = list(setting.examples(aligner))
    units = sum(len(example.labels) for example in examples)
    per_unit = setting.characters() / units if align == "pieces" else 1.0
    set_seed(setting.params.seed)
    model = model_setup.build(setting.backbone, config, train)
    model_setup.prepare(model, train)
    with tempfile.TemporaryDirectory() as scratch:
        settings = arguments(train, setting.params.seed, scratch)
        trainer = Metered(model, settings, train, examples, aligner.tokenizer.pad_id)
        number_format = chosen.number_format(train.precision)
        _run(trainer, turns, facts(model, number_format), setting.scorer(model, aligner, config))


def _run(trainer: Any, turns: Turns, known: dict[str, Any], evaluate: Callable[[], float]) -> None:
    """Train in turns: the callback waits inside the loop until the parent requests more."""
    from transformers import PrinterCallback, ProgressCallback, TrainerCallback

    class Waits(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            turns.ready(known, evaluate)

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            turns.step()

    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(Waits())
    trainer.train()
    turns.finish()


@dataclass(frozen=True)
class Recipe:
    """A way to train, and its description in the table."""

    title: str
    run: Callable[[Setting, Turns], None]
    about: str


RECIPES = {
    "plain": Recipe(
        "plain loop",
        plain,
        "a loop as in tutorials: random order, tokenised while batching, padded to the longest, float32, Adam at a "
        f"constant {PLAIN_LR:g}, {PLAIN_EPOCHS} epochs, softmax over every character",
    ),
    "stock": Recipe(
        "stock Trainer",
        stock_trainer,
        "transformers' Trainer with default arguments (random order, float32, AdamW, 5e-5 falling linearly, 3 epochs) "
        "and DataCollatorForTokenClassification, softmax over every character",
    ),
    "ours": Recipe(
        "clue-ner", ours, "fine_tune with the values of params.yaml, but without training options such as R-Drop"
    ),
}
