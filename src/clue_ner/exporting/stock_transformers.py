"""Export to a folder that stock transformers can load without code of this project.

This is possible only if tags are predicted by a linear layer on token states: head softmax, and every unit a token.
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from clue_ner.common.files import read_json, write_json
from clue_ner.core.entities import Entity
from clue_ner.core.schemes import OUTSIDE, Scheme
from clue_ner.network.model import TaggerModel
from clue_ner.tagger.tagger import Tagger


def write(tagger: Tagger, model: TaggerModel, folder: Path) -> str | None:
    """Write ``tagger``, whose network is ``model``, as a ``…ForTokenClassification`` with its tokenizer.

    ``pipeline("ner", model=folder, aggregation_strategy="simple")`` then finds the tagger's entities in texts of one
    window; it truncates longer ones, unless ``stride`` is given. Returns None, or the reason why this is not possible;
    then nothing is written.
    """
    if tagger.config.head != "softmax":
        return f"its head is {tagger.config.head}, which stock transformers does not have"
    if tagger.config.align == "characters_over_pieces":
        return "it tags characters over pieces, and stock transformers only tags pieces"
    scheme = tagger.config.tag_scheme
    if not any(scheme.only_begins(tag) for tag in tagger.config.tags):
        return f"its scheme {scheme.name} marks where entities end, and stock transformers reads where they begin"
    stock = _stock_model(tagger, model)
    if stock is None:
        kind = model.encoder.config.model_type
        return f"stock transformers has no token classification with one linear layer for {kind}"
    stock.save_pretrained(folder)
    tagger.aligner.tokenizer.save(folder)
    settings = folder / "tokenizer_config.json"
    write_json(settings, read_json(settings) | {"model_max_length": tagger.config.window})
    return None


def read(folder: Path, texts: Sequence[str]) -> list[list[Entity]]:
    """The entities that the stock pipeline finds in each text, without whitespace at the ends."""
    from transformers import pipeline

    find = pipeline("ner", model=str(folder), aggregation_strategy="simple", device="cpu")
    return [[_entity(text, group) for group in groups] for text, groups in zip(texts, find(list(texts)))]


def stock_labels(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """Tags with the two prefixes that the stock pipeline understands: B begins an entity, I continues one.

    >>> from clue_ner.core.schemes import SCHEMES
    >>> stock_labels(["O", "B-x", "M-x", "E-x", "S-x"], SCHEMES["BMES"])
    ['O', 'B-x', 'I-x', 'I-x', 'B-x']
    """
    return [
        tag if tag == OUTSIDE else f"{'B' if scheme.only_begins(tag) else 'I'}-{tag.partition('-')[2]}" for tag in tags
    ]


def _stock_model(tagger: Tagger, model: TaggerModel) -> Any:
    """The tagger's network as a model of transformers, or None if there is no class of the same shape."""
    from transformers import AutoModelForTokenClassification

    config = copy.deepcopy(model.encoder.config)
    labels = stock_labels(tagger.config.tags, tagger.config.tag_scheme)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: labels.index(label) for label in labels}
    try:
        stock = AutoModelForTokenClassification.from_config(config, dtype=torch.float32)
    except ValueError:
        return None
    if not isinstance(getattr(stock, "classifier", None), nn.Linear):
        return None
    missing, _ = stock.base_model.load_state_dict(model.encoder.state_dict(), strict=False)
    if missing:
        return None
    stock.classifier.load_state_dict(model.get_submodule("head.linear").state_dict())
    return stock


def _entity(text: str, group: dict[str, Any]) -> Entity:
    """A group of the pipeline as an entity, without the space that a piece such as ``▁NBA`` begins with."""
    surface = text[group["start"] : group["end"]]
    start = group["start"] + len(surface) - len(surface.lstrip())
    return Entity(start, start + len(surface.strip()), group["entity_group"], float(group["score"]))
