"""The base class of all decoders: from logits of a batch to entities on units, with NumPy only.

Letters: B batch, U units (characters or tokens), L tags, K types. Entities are on units, start inclusive, end
exclusive.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clue_ner.core.schemes import Scheme, Span, types_of_tags

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]

Scored = tuple[int, int, str, float]
"""start (inclusive), end (exclusive), type, score from 0 to 1"""


@dataclass(frozen=True, slots=True)
class DecoderSpec:
    """The settings of a decoder."""

    scheme: Scheme
    tags: tuple[str, ...]
    """the label list, whose index is the id"""
    options: Mapping[str, Any] = field(default_factory=dict)
    """the head's own params, all names in its ``PARAMS``"""
    weights: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """the head's parameters and buffers in its ``WEIGHTS``"""

    @property
    def types(self) -> tuple[str, ...]:
        """The entity types; the index is the type's id."""
        return types_of_tags(self.tags)


@dataclass(frozen=True, slots=True)
class Decoded:
    """The result for one window: the entities for the user, and those whose tags are legal in the scheme."""

    entities: list[Scored]
    strict: list[Scored]


@dataclass(frozen=True, slots=True)
class TagSequence:
    """The tag of each unit of one window, and its probability, 0 to 1."""

    tags: list[str]
    scores: list[float]


class EntityDecoder(ABC):
    """Decodes entities from a head's logits.

    A module here has ``READS_TAGS = False`` if its decoder is not a ``TagDecoder``. It lists the head's own params
    (``PARAMS``, with the value for older models) and the weights of the head that it needs (``WEIGHTS``).
    """

    unit_axes: tuple[int, ...] = (1,)
    """The axes of the logits that are units; axis 0 is the batch."""

    def __init__(self, spec: DecoderSpec) -> None:
        self.spec = spec

    @abstractmethod
    def decode(self, logits: Floats, lengths: Ints) -> list[Decoded]:
        """The entities of each window, in order of start, end and type.

        ``lengths`` [B] are the numbers of units in the windows; padding comes after them.
        """

    @abstractmethod
    def doubts(self, logits: Floats, lengths: Ints) -> Floats:
        """How many decisions about entities that begin at a unit are expected to be wrong, by the model itself: [B, U].

        A decision that was made with probability p is wrong with 1 - p, also that something is no entity. Beyond the
        end of a window there is none.
        """

    def grouped(self, windows: int, *found: NDArray[Any]) -> list[Decoded]:
        """Group entities by window, in their order.

        They are given as five arrays [N]: window, first unit, last unit, the type's id and the score.
        """
        entities: list[list[Scored]] = [[] for _ in range(windows)]
        for window, start, last, type_, score in zip(*(column.tolist() for column in found)):
            entities[window].append((start, last + 1, self.spec.types[type_], score))
        return [Decoded(some, some) for some in entities]


class TagDecoder(EntityDecoder):
    """Decodes a tag for each unit from logits [B, U, L], and entities from the tags by the scheme."""

    @abstractmethod
    def read(self, logits: Floats, lengths: Ints) -> list[TagSequence]:
        """The tags of each window."""

    def sequences(self, ids: NDArray[Any], scores: Floats, lengths: Ints) -> list[TagSequence]:
        """Windows of ``lengths`` [B] from the tags' ids and scores [B, U]."""
        return [
            TagSequence([self.spec.tags[i] for i in row[:length]], score[:length])
            for row, score, length in zip(ids.tolist(), scores.tolist(), lengths.tolist())
        ]

    def doubts(self, logits: Floats, lengths: Ints) -> Floats:
        """A decision a unit: its tag."""
        doubts = np.zeros(logits.shape[:2])
        for row, found in zip(doubts, self.read(logits, lengths)):
            row[: len(found.scores)] = 1 - np.array(found.scores)
        return doubts

    def decode(self, logits: Floats, lengths: Ints) -> list[Decoded]:
        """The entities in the tags, read leniently and strictly; a score is the mean of the units' probabilities."""
        scheme = self.spec.scheme
        return [
            Decoded(_scored(scheme.decode_lenient(found.tags), found), _scored(scheme.decode(found.tags), found))
            for found in self.read(logits, lengths)
        ]


def softmax(logits: Floats, axis: int) -> Floats:
    """Probabilities over ``axis``."""
    shifted = np.exp(logits - logits.max(axis, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis, keepdims=True))


def sigmoid(logits: Floats) -> Floats:
    """The probability of each yes/no decision, without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)))


def wrong(logits: Floats) -> Floats:
    """The probability that each yes (above 0) or no is wrong."""
    return sigmoid(-np.abs(logits))


def _scored(spans: Sequence[Span], found: TagSequence) -> list[Scored]:
    return [(start, end, type_, sum(found.scores[start:end]) / (end - start)) for start, end, type_ in spans]
