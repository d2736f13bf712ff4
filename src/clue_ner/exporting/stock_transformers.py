"""A folder that stock transformers reads: no code of this project is needed to tag with it.

That is possible where a tag is a linear layer on a token's state and nothing else: head softmax, every unit a token.
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from clue_ner.core.entities import Entity
from clue_ner.core.files import read_json, write_json
from clue_ner.core.schemes import OUTSIDE, Scheme
from clue_ner.tagger.tagger import Tagger


def write(tagger: Tagger, folder: Path) -> str | None:
    """Write config, safetensors and tokenizer of ``tagger`` into ``folder`` as a ``…ForTokenClassification``.

    ``pipeline("ner", model=folder, aggregation_strategy="simple")`` then finds the tagger's entities in texts of one
    window; a longer one it cuts off, unless ``stride`` is given. Returns None, or, with nothing written, why it can't.
    """
    if tagger.card["head"] != "softmax":
        return f"its head is {tagger.card['head']}, which stock transformers does not have"
    if tagger.card["align"] == "characters_over_pieces":
        return "it tags characters over pieces, and stock transformers tags pieces alone"
    if not any(tagger.scheme.only_begins(tag) for tag in tagger.card["tags"]):
        return f"its scheme {tagger.scheme.name} says where entities end, and stock transformers asks where they begin"
    model = _stock_model(tagger)
    if model is None:
        kind = tagger.model.encoder.config.model_type
        return f"stock transformers has no token classification with one linear layer for {kind}"
    model.save_pretrained(folder)
    tagger.aligner.tokenizer.save_pretrained(folder)
    settings = folder / "tokenizer_config.json"
    write_json(settings, read_json(settings) | {"model_max_length": tagger.card["window"]})
    return None


def read(folder: Path, texts: Sequence[str]) -> list[list[Entity]]:
    """What the stock pipeline finds in each text with the model in ``folder``, without whitespace at the ends."""
    from transformers import pipeline

    find = pipeline("ner", model=str(folder), aggregation_strategy="simple", device="cpu")
    return [[_entity(text, group) for group in groups] for text, groups in zip(texts, find(list(texts)))]


def stock_labels(tags: Sequence[str], scheme: Scheme) -> list[str]:
    """Tags with the two prefixes that stock aggregation knows: B begins an entity, I goes on with one.

    >>> from clue_ner.core.schemes import SCHEMES
    >>> stock_labels(["O", "B-x", "M-x", "E-x", "S-x"], SCHEMES["BMES"])
    ['O', 'B-x', 'I-x', 'I-x', 'B-x']
    """
    return [
        tag if tag == OUTSIDE else f"{'B' if scheme.only_begins(tag) else 'I'}-{tag.partition('-')[2]}" for tag in tags
    ]


def _stock_model(tagger: Tagger) -> Any:
    """The tagger's network as transformers has it, or None if it has none of the same shape."""
    from transformers import AutoModelForTokenClassification

    config = copy.deepcopy(tagger.model.encoder.config)
    labels = stock_labels(tagger.card["tags"], tagger.scheme)
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: labels.index(label) for label in labels}
    try:
        model = AutoModelForTokenClassification.from_config(config, dtype=torch.float32)
    except ValueError:
        return None
    if not isinstance(getattr(model, "classifier", None), nn.Linear):
        return None
    missing, _ = model.base_model.load_state_dict(tagger.model.encoder.state_dict(), strict=False)
    if missing:
        return None
    model.classifier.load_state_dict(tagger.model.get_submodule("head.linear").state_dict())
    return model


def _entity(text: str, group: dict[str, Any]) -> Entity:
    """A group of the pipeline as an entity; its offsets hold the space that a piece such as ``▁NBA`` begins with."""
    surface = text[group["start"] : group["end"]]
    start = group["start"] + len(surface) - len(surface.lstrip())
    return Entity(start, start + len(surface.strip()), group["entity_group"], float(group["score"]))
