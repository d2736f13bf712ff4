"""Shared by the recipes: sentences, the stock model, and counts of a batch and a model."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from clue_ner.alignment.aligner import Aligner
from clue_ner.alignment.encode import Example, Report, encode
from clue_ner.common.files import read_json
from clue_ner.core.entities import Sentence
from clue_ner.core.params import load_params
from clue_ner.core.schemes import SCHEMES
from clue_ner.core.sentences import read_split
from clue_ner.core.tag_map import read_tags
from clue_ner.evaluation.scores import micro
from clue_ner.network.model import TaggerModel
from clue_ner.runtimes.torch import TorchRuntime
from clue_ner.tagger.config import TaggerConfig
from clue_ner.tagger.tagger import Tagger
from clue_ner.training.inputs import Inputs, describe
from clue_ner.training.model_setup import head_weights

VALID = 200
"""Sentences that the F1 of a turn is measured on: the first of valid."""
IGNORED = -100
"""The label of tokens that the loss ignores."""


class Setting:
    """What a recipe trains on: a folder that ``bench.inputs`` laid out."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.params = load_params(place / "params.yaml")
        self.backbone = place / "data/backbone"
        self.inputs = Inputs(
            corpus=read_json(place / "data/corpus/corpus.json"),
            tags=read_tags(place),
            source=read_json(self.backbone / "source.json"),
            backbone=self.backbone,
            corpus_folder=place / "data/corpus",
            encoded=place / "data/encoded",
            digests={},
        )
        self.train = read_split(place, "train") or []
        self.valid = (read_split(place, "valid") or read_split(place, "test") or [])[:VALID]

    def aligner(self, align: str) -> Aligner:
        """The backbone's tokenizer, or the one that splits at every character, and how it is aligned."""
        tagging = self.params.tagging
        return Aligner.from_backbone(self.backbone, align, tagging.window, tagging.overlap)

    def config(self, head: str, align: str) -> TaggerConfig:
        """The tagger that params.yaml describes, with another head and alignment."""
        train = self.params.train.model_copy(update={"head": head})
        tagging = self.params.tagging.model_copy(update={"align": align})
        return describe(self.inputs, self.params.model_copy(update={"train": train, "tagging": tagging}))

    def examples(self, aligner: Aligner, sentences: Sequence[Sentence] | None = None) -> Iterator[Example]:
        """The windows of ``sentences``, by default of those of train."""
        given = self.train if sentences is None else sentences
        tags = self.inputs.tags
        return encode(given, aligner, SCHEMES[tags["scheme"]], tags["tags"], Report())

    def characters(self) -> int:
        """Characters of the training sentences together."""
        return sum(len(sentence.text) for sentence in self.train)

    def scorer(self, model: TaggerModel, aligner: Aligner, config: TaggerConfig) -> Callable[[], float]:
        """Micro F1 of ``model`` on valid, which leaves it in training mode."""

        def evaluate() -> float:
            tagger = Tagger(config, aligner, TorchRuntime(model), head_weights(model, config.head))
            readings = tagger.read([sentence.text for sentence in self.valid])
            score = float(micro(self.valid, [reading.strict for reading in readings])["f1"])
            model.train()
            return score

        return evaluate


def stock_model(setting: Setting) -> tuple[Any, TaggerModel, TaggerConfig]:
    """Stock token classification on the backbone, the same modules as a TaggerModel, and that tagger's config."""
    from transformers import AutoModelForTokenClassification

    config = setting.config("softmax", "characters")
    stock = AutoModelForTokenClassification.from_pretrained(
        setting.backbone, num_labels=len(config.tags), local_files_only=True, dtype=torch.float32
    )
    shell = TaggerModel(stock.base_model, config)
    shell.head.linear = stock.classifier
    return stock, shell, config


def stock_tokenizer(aligner: Aligner) -> Any:
    """The aligner's tokenizer as stock transformers loads it from its files."""
    from transformers import AutoTokenizer

    with tempfile.TemporaryDirectory() as folder:
        aligner.tokenizer.save(Path(folder))
        return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def token_labels(example: Example) -> list[int]:
    """A label for each token of an example: those that are no unit, such as the special ones, are ignored."""
    labels = [IGNORED] * len(example.input_ids)
    for token, label in zip(example.unit_tokens, example.labels):
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
    """Properties of a model for the parent process: training FLOPs per token and per unit, the number format.

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
