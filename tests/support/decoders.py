"""Decoders with random weights, and logits for them; NumPy only."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clue_ner.core import plugins
from clue_ner.core.schemes import SCHEMES
from clue_ner.tagger.decoding import DecoderSpec, EntityDecoder, build, weight_names
from support.places import GOLDEN

HEADS = plugins.names(plugins.DECODERS)
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in HEADS},
    "softmax constrained": ("softmax", {"constrained": True}),
    "global_pointer efficient": ("global_pointer", {"efficient": True}),
}
"""Every head, and each with its own switches on: the head's name and the params that are not its defaults."""
MATRICES = ["biaffine", "global_pointer", "global_pointer efficient"]
"""The variants that score every span."""
TYPES = ("LOC", "ORG", "PER")
ENTITIES = sorted((GOLDEN / "entities").glob("*.json"))
"""Golden entities, with the starts, ends and cells that they are."""


def options_of(variant: str, **values: Any) -> dict[str, Any]:
    """The head's own params of a variant, complete; ``values`` are used where the head has such a param."""
    name, switches = VARIANTS[variant]
    known = plugins.head_params(name)
    return known | {key: value for key, value in values.items() if key in known} | switches


def decoder_of(variant: str, scheme: str = "BIO", types: Sequence[str] = TYPES) -> EntityDecoder:
    """A decoder; the weights that it reads are normally distributed."""
    name, _ = VARIANTS[variant]
    tags = tuple(SCHEMES[scheme].tags(types))
    generator = np.random.default_rng(0)
    shapes = {"transitions": (len(tags), len(tags)), "start": (len(tags),), "end": (len(tags),)}
    weights = {weight: generator.normal(size=shapes[weight]) for weight in weight_names(name)}
    return build(name, DecoderSpec(SCHEMES[scheme], tags, options_of(variant), weights))


def logits_shape(variant: str, decoder: EntityDecoder, windows: int, units: int) -> tuple[int, ...]:
    """The shape of the logits that the decoder reads."""
    tags, types = len(decoder.spec.tags), len(decoder.spec.types)
    return {
        "softmax": (windows, units, tags),
        "crf": (windows, units, tags),
        "span": (windows, units, 2 * types),
        "global_pointer": (windows, types, units, units),
        "biaffine": (windows, 1 + types, units, units),
    }[VARIANTS[variant][0]]


def random_logits(variant: str, decoder: EntityDecoder, windows: int, units: int, seed: int = 0) -> NDArray[np.float64]:
    """Normally distributed logits."""
    return np.random.default_rng(seed).normal(size=logits_shape(variant, decoder, windows, units))


def valid_mask(decoder: EntityDecoder, logits: NDArray[Any], lengths: Sequence[int]) -> NDArray[np.bool_]:
    """Which logits mean something for windows of these lengths, one at a time."""
    mask = np.zeros(logits.shape, dtype=np.bool_)
    for row, length in zip(mask, lengths, strict=True):
        if decoder.unit_axes == (1,):
            row[:length] = True
        else:
            for start in range(length):
                row[:, start, start:length] = True
    return mask


def padded(decoder: EntityDecoder, logits: NDArray[Any], by: int, value: float) -> NDArray[Any]:
    """Logits of a batch with ``by`` more units at the end of each window."""
    widths = [(0, by if axis in decoder.unit_axes else 0) for axis in range(logits.ndim)]
    return np.pad(logits, widths, constant_values=value)


def golden_entities() -> list[dict[str, Any]]:
    """The golden cases' values, in the order of ``ENTITIES``."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in ENTITIES]


def golden_logits(variant: str, case: dict[str, Any]) -> NDArray[np.float32]:
    """Logits [1, ...] that have the starts and ends, or the cells, of a golden case."""
    length, types = len(case["text"]), len(TYPES)
    name, _ = VARIANTS[variant]
    if name == "span":
        logits = np.full((1, length, 2 * types), -20.0, dtype=np.float32)
        for offset, places in ((0, case["starts"]), (types, case["ends"])):
            for type_, found in places.items():
                logits[0, found, offset + TYPES.index(type_)] = 20.0
        return logits
    cells = np.full((1, types, length, length), -20.0, dtype=np.float32)
    for type_, found in case["cells"].items():
        for start, last in found:
            cells[0, TYPES.index(type_), start, last] = 20.0
    return np.concatenate([-cells.max(1, keepdims=True), cells], 1) if name == "biaffine" else cells
