"""What the recipes share: sentences, the stock model, and what a batch and a model amount to."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from clue_ner.alignment.aligner import Aligner
from clue_ner.alignment.encode import Report, encode
from clue_ner.core.files import read_json, read_sentences
from clue_ner.core.params import load_params
from clue_ner.core.schemes import SCHEMES
from clue_ner.evaluation.scores import micro
from clue_ner.network.model import TaggerModel
from clue_ner.tagger.tagger import Tagger, model_spec

VALID = 200
"""Sentences that the F1 of a turn is measured on: the first of valid."""
IGNORED = -100
"""The label of a token that no loss is taken of."""


class Setting:
    """What a recipe trains on: a folder that ``bench.inputs`` laid out."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.params = load_params(place / "params.yaml")
        self.backbone = place / "data/backbone"
        self.tags = read_json(place / "data/tags.json")
        self.train = read_sentences(place / "data/corpus/train.jsonl")
        valid = place / "data/corpus/valid.jsonl"
        self.valid = read_sentences(valid if valid.exists() else valid.with_name("test.jsonl"))[:VALID]

    def aligner(self, align: str) -> Aligner:
        """The backbone's tokenizer, or the one that splits at every character, and how it is aligned."""
        return Aligner.from_backbone(self.backbone, self.params.tagging.model_copy(update={"align": align}))

    def card(self, head: str, align: str) -> dict[str, Any]:
        """The shape of a tagger, as tagger.json says it."""
        tagging, context_size = self.params.tagging, self.params.train.context_size
        window = {"window": tagging.window, "overlap": tagging.overlap, "context_size": context_size}
        options = self.params.train.head_options if head == self.params.train.head else {}
        return {"head": head, "align": align, **self.tags, **window, "head_options": options}

    def rows(self, aligner: Aligner) -> list[dict[str, Any]]:
        """The training sentences, a row a window."""
        return list(encode(self.train, aligner, SCHEMES[self.tags["scheme"]], self.tags["tags"], Report()))

    def characters(self) -> int:
        """Characters of the training sentences together."""
        return sum(len(sentence.text) for sentence in self.train)

    def scorer(self, model: TaggerModel, aligner: Aligner, card: dict[str, Any]) -> Callable[[], float]:
        """Micro F1 of ``model`` on valid; it goes on training afterwards."""

        def evaluate() -> float:
            readings = Tagger(model, aligner, card).read([sentence.text for sentence in self.valid])
            score = float(micro(self.valid, [reading.strict for reading in readings])["f1"])
            model.train()
            return score

        return evaluate


def stock_model(setting: Setting) -> tuple[Any, TaggerModel, dict[str, Any]]:
    """Stock token classification on the backbone, the same modules as a TaggerModel, and that tagger's card."""
    from transformers import AutoModelForTokenClassification

    card = setting.card("softmax", "characters")
    stock = AutoModelForTokenClassification.from_pretrained(
        setting.backbone, num_labels=len(card["tags"]), local_files_only=True, dtype=torch.float32
    )
    shell = TaggerModel(stock.base_model, model_spec(card))
    shell.head.linear = stock.classifier
    return stock, shell, card


def token_labels(row: Mapping[str, Any]) -> list[int]:
    """A label for each token of a row: those that are no unit, such as the special ones, are ignored."""
    labels = [IGNORED] * len(row["input_ids"])
    for token, label in zip(row["unit_tokens"], row["labels"]):
        labels[token] = label
    return labels


def amounts(batch: Mapping[str, Tensor], per_unit: float = 1.0) -> dict[str, Any]:
    """What a batch holds; a unit has ``per_unit`` characters; without units, a token with a label is a character."""
    mask, units = batch["attention_mask"], batch.get("unit_mask")
    characters = (batch["labels"] != IGNORED).sum() if units is None else units.sum() * per_unit
    padded_units = mask.numel() if units is None else units.numel()
    return {
        "characters": characters,
        "tokens": mask.sum(),
        "padded_tokens": mask.numel(),
        "padded_units": padded_units,
    }


def facts(model: nn.Module, number_format: str) -> dict[str, Any]:
    """What the parent needs to know of a model: FLOPs of training on one token and on one unit, the number format.

    A matrix costs 2 FLOPs an element forward, 2 for its inputs' gradient and 2 for its own; a frozen one only the
    first. Embedding tables are looked up, not multiplied; the products of attention itself are left out.
    """
    encoder = getattr(model, "base_model_prefix", "encoder")
    per = {"token_flops": 0, "unit_flops": 0}
    for name, module in model.named_modules():
        kind = "token_flops" if name.startswith(encoder) else "unit_flops"
        if not isinstance(module, nn.Embedding):
            for parameter in module.parameters(recurse=False):
                if parameter.ndim == 2:
                    per[kind] += (6 if parameter.requires_grad else 2) * parameter.numel()
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return {**per, "number_format": number_format, "trained_parameters": trained}
