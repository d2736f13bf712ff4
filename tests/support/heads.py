"""Heads with random weights, the decoders of their logits, and batches for their losses."""

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from clue_ner.core.schemes import SCHEMES, Span
from clue_ner.network.heads import EntityHead, HeadSpec, build
from clue_ner.tagger import decoding
from clue_ner.tagger.decoding import DecoderSpec, EntityDecoder, weight_names
from support.decoders import TYPES, VARIANTS, options_of

LENGTHS = [6, 1, 4]
WINDOWS: list[list[Span]] = [[(0, 2, "LOC"), (2, 3, "LOC"), (4, 6, "PER")], [(0, 1, "ORG")], []]
"""Entities of three windows that have ``LENGTHS``."""


def head_of(variant: str, scheme: str = "BIO", types: Sequence[str] = TYPES, seed: int = 0) -> EntityHead:
    """A head for states of size 8 with random weights, in float64; biases and transitions are not zero."""
    torch.manual_seed(seed)
    name, _ = VARIANTS[variant]
    options = options_of(variant, head_size=6)
    head = build(name, HeadSpec(8, SCHEMES[scheme], tuple(SCHEMES[scheme].tags(types)), 0.0, options)).double()
    for parameter in [p for p in head.parameters() if p.ndim == 1] + head.transition_parameters():
        torch.nn.init.normal_(parameter)
    return head.eval()


def decoder_for(head: EntityHead) -> EntityDecoder:
    """What reads the logits of ``head``, with its weights as they are now."""
    name = type(head).__module__.rpartition(".")[2]
    weights = {weight: getattr(head, weight).detach().numpy() for weight in weight_names(name)}
    return decoding.build(name, DecoderSpec(head.spec.scheme, head.spec.tags, head.spec.options, weights))


def labels_of(head: EntityHead) -> tuple[int, list[Hashable]]:
    """The axis of the logits that depends on the types, and what they are of along it.

    That is a tag's meaning, a type, its start or its end, or None for no entity.
    """
    types, tags = head.spec.types, [head.spec.scheme.meaning(tag) for tag in head.spec.tags]
    return {
        "softmax": (-1, list[Hashable](tags)),
        "crf": (-1, list[Hashable](tags)),
        "span": (-1, [(edge, type_) for edge in ("start", "end") for type_ in types]),
        "global_pointer": (1, list[Hashable](types)),
        "biaffine": (1, [None, *types]),
    }[type(head).__module__.rpartition(".")[2]]


def mask_of(*lengths: int) -> Tensor:
    """The mask [B, U] of units of windows that have these lengths."""
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def batch_of(head: EntityHead, windows: list[list[Span]], lengths: list[int]) -> dict[str, Tensor]:
    """What a head's loss gets for windows with these entities, which must not overlap."""
    width, most = max(lengths), max(map(len, windows))
    labels = torch.zeros(len(lengths), width, dtype=torch.long)
    entities = torch.full((len(lengths), most, 3), -1)
    for row, (spans, length) in enumerate(zip(windows, lengths, strict=True)):
        tags = head.spec.scheme.encode(spans, length)
        labels[row, :length] = torch.tensor([head.spec.tags.index(tag) for tag in tags])
        for slot, (start, end, type_) in enumerate(spans):
            entities[row, slot] = torch.tensor([start, end, head.spec.types.index(type_)])
    return {"unit_mask": mask_of(*lengths), "labels": labels, "entities": entities}


def legal_labels(head: EntityHead, lengths: list[int]) -> Tensor:
    """Gold tags [B, U] of random entities, zero beyond each window's end."""
    rows = torch.zeros(len(lengths), max(lengths), dtype=torch.long)
    for row, length in zip(rows, lengths):
        cut = int(torch.randint(0, length + 1, ()))
        tags = head.spec.scheme.encode([(0, cut, "PER")] * (cut > 0), length)
        row[:length] = torch.tensor([head.spec.tags.index(tag) for tag in tags])
    return rows
