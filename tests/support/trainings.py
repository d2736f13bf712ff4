"""Trainings of a tiny model in this process, on twenty sentences."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import set_seed

from clue_ner.alignment.encode import Example, Report, collate_examples, encode
from clue_ner.alignment.windows import INPUTS
from clue_ner.core import plugins
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.params import TrainParams
from clue_ner.core.schemes import SCHEMES
from clue_ner.network.encoder import load_encoder
from clue_ner.network.model import TaggerModel
from clue_ner.runtimes.torch import TorchRuntime
from clue_ner.tagger.tagger import Tagger
from clue_ner.training.evaluation_callback import History
from clue_ner.training.model_setup import head_weights
from clue_ner.training.teacher import Teacher
from clue_ner.training.trainer import fit
from support.configs import tagger_config

HEADS = plugins.names(plugins.HEADS)
PEOPLE, PLACES, COMPANIES = (
    ["王德发", "黄飞鸿", "晓明", "晓艳"],
    ["北京", "广东", "佛山", "上海"],
    ["特斯拉公司", "宝芝林", "新公司"],
)
MOLDS = ["{p}目前住在{l}，", "{c}在{l}", "{l}的经理是{p}。", "{p}{q}一起出游", "我看电影", "《{c}》说2000年"]


def _sentence(number: int) -> Sentence:
    """One of twenty sentences and more, all different."""
    names = {"p": ("PER", PEOPLE), "q": ("PER", PEOPLE[::-1]), "l": ("LOC", PLACES), "c": ("ORG", COMPANIES)}
    text, entities = "我说" * (number % 3), []
    for part in re.split("[{}]", MOLDS[number % len(MOLDS)]):
        type_, some = names.get(part, ("", [part]))
        surface = some[number // len(MOLDS) % len(some)]
        if type_:
            entities.append(Entity(len(text), len(text) + len(surface), type_))
        text += surface
    return Sentence(str(number), text, tuple(entities))


SENTENCES = [_sentence(number) for number in range(20)]
"""Twenty sentences with people, places and companies."""


class Setting:
    """What ``fit`` takes, made anew from a seed."""

    def __init__(self, backbone: Path, aligner: Any, head: str, align: str) -> None:
        self.backbone, self.aligner = backbone, aligner
        self.config = tagger_config(["LOC", "ORG", "PER"], head=head, align=align, context_size=12)
        self.examples = list(encode(SENTENCES, aligner, SCHEMES["BIO"], self.config.tags, Report()))

    def model(self, seed: int = 0, dropout: float = 0.1) -> TaggerModel:
        """A model with random weights of this seed."""
        set_seed(seed)
        encoder = load_encoder(self.backbone, dropout, dropout)
        return TaggerModel(encoder, self.config, dropout)

    def fit(
        self,
        model: TaggerModel,
        params: TrainParams,
        folder: Path,
        validate: Any = None,
        on_epoch: Callable[[History], None] = lambda history: None,
        seed: int = 0,
        teacher: Teacher | None = None,
        examples: Sequence[Example] | None = None,
    ) -> History:
        """Train the model on the twenty sentences, or on ``examples``."""
        pad = self.aligner.tokenizer.pad_id
        chosen = self.examples if examples is None else examples
        return fit(model, chosen, pad, params, seed, str(folder), validate, on_epoch, None, teacher)

    def tagger(self, model: TaggerModel) -> Tagger:
        """A tagger with the model's weights as they are now."""
        return Tagger(self.config, self.aligner, TorchRuntime(model), head_weights(model, self.config.head))


def change(params: TrainParams, **values: Any) -> TrainParams:
    """The params with other values, checked."""
    return TrainParams.model_validate(params.model_dump() | values)


def state(model: TaggerModel) -> dict[str, torch.Tensor]:
    """A copy of the model's weights."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def equal_weights(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether each weight of ``one`` is that of ``other``, bit for bit."""
    return all(torch.equal(value, other[name]) for name, value in one.items())


def batch_of(made: Setting, count: int = 6) -> dict[str, torch.Tensor]:
    """The first sentences as one batch."""
    batch = collate_examples(made.examples[:count], made.aligner.tokenizer.pad_id)
    return {name: torch.from_numpy(values) for name, values in batch.items()}


def outputs(model: TaggerModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The model's logits for the batch."""
    logits: torch.Tensor = model(**{name: batch[name] for name in INPUTS})
    return logits
