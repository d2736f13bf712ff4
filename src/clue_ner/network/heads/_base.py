"""What every head promises. Letters: B batch, U units (characters or tokens), H hidden size, L labels, T types.

All heads give logits outside which nothing is learned: loss and decoding are functions of them, so that they may come
from elsewhere, such as an ONNX graph. What is decoded is entities on units, start inclusive, end exclusive.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from clue_ner.common.errors import ParamsError
from clue_ner.core.schemes import OUTSIDE, Scheme, Span

Scored = tuple[int, int, str, float]
"""start (inclusive), end (exclusive), type, score from 0 to 1"""


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """All that a head is made from: the states' size H, the scheme, its label list, dropout before the head.

    The rest are the parameters of the same names, each for the heads that params.yaml says.
    """

    size: int
    scheme: Scheme
    tags: tuple[str, ...]
    dropout: float
    constrained: bool = False
    efficient: bool = False
    head_size: int = 64

    @property
    def types(self) -> tuple[str, ...]:
        """The entity types, sorted; the index is the type's id in ``batch["entities"]``."""
        return tuple(dict.fromkeys(tag.partition("-")[2] for tag in self.tags if tag != OUTSIDE))


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a head reads from one window: the entities as a user gets them, and those that keep to the scheme."""

    entities: list[Scored]
    strict: list[Scored]


@dataclass(frozen=True, slots=True)
class TagSequence:
    """The tag of each unit of one window, and how sure the head is of it, 0 to 1."""

    tags: list[str]
    scores: list[float]


class EntityHead(nn.Module, ABC):
    """States of units in, entities out.

    A head's module says ``READS_TAGS = False`` if it is no ``TaggingHead``, and ``WEIGHS_TYPES = False`` if its loss
    takes no ``class_weights``.
    """

    unit_axes: tuple[int, ...] = (1,)
    """The axes of the logits that are units; axis 0 is the batch."""
    class_axis: int | None = None
    """The axis of the logits over which classes exclude each other; None: every logit is a yes or no of its own."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.spec = spec
        self.dropout = nn.Dropout(spec.dropout)
        self.class_weights: dict[str, float] = {}

    def weigh(self, class_weights: Mapping[str, float]) -> None:
        """Have types weigh so much in the loss, those not named 1; raises ParamsError for a type that is not there."""
        if unknown := sorted(class_weights.keys() - set(self.spec.types)):
            raise ParamsError(
                f"params.yaml: train.class_weights: no type {', '.join(unknown)} in the corpus; "
                f"there are {', '.join(self.spec.types)}"
            )
        self.class_weights = dict(class_weights)

    def weights_of(self, classes: Sequence[str], like: Tensor) -> Tensor | None:
        """The weights of ``classes``, which are types or ``O``, as ``like`` is; None if all weigh the same."""
        if not self.class_weights:
            return None
        return like.new_tensor([self.class_weights.get(type_, 1.0) for type_ in classes])

    @abstractmethod
    def forward(self, states: Tensor) -> Tensor:
        """Logits of states [B, U, H]."""

    @abstractmethod
    def loss(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """The mean loss, a scalar, float32.

        ``batch`` has unit_mask [B, U] (bool), labels [B, U] (the tags' ids) and entities [B, E, 3]: start, end and
        the type's id, which is -1 where a row has fewer than E.
        """

    @abstractmethod
    def decode(self, logits: Tensor, mask: Tensor) -> list[Decoded]:
        """The entities of each window; ``mask`` [B, U] is true for units, which come first."""

    def counted(self, mask: Tensor) -> Tensor:
        """Which logits mean something for windows with ``mask`` [B, U]: a mask that broadcasts to them."""
        return mask[..., None]

    def terms(self, mask: Tensor) -> Tensor | int:
        """How many terms the loss is a mean of: the units, if no head says otherwise."""
        return mask.sum()

    def divergence(self, logits: Tensor, target: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
        """How far ``logits`` are from saying what ``target`` says: a scalar, float32, a mean as the loss is one.

        The Kullback-Leibler divergence of the distributions over classes, or of each yes or no, after all logits are
        divided by ``temperature``; summed over what counts in windows with ``mask`` [B, U].
        """
        ours, wanted = logits.float() / temperature, target.float() / temperature
        if self.class_axis is None:
            yes = wanted.sigmoid() * (logsigmoid(wanted) - logsigmoid(ours))
            apart = yes + (-wanted).sigmoid() * (logsigmoid(-wanted) - logsigmoid(-ours))
        else:
            ours, wanted = ours.log_softmax(self.class_axis), wanted.log_softmax(self.class_axis)
            apart = (wanted.exp() * (wanted - ours)).sum(self.class_axis, keepdim=True)
        summed: Tensor = apart.masked_fill(~self.counted(mask), 0.0).sum()
        return summed / self.terms(mask)

    def decoded(self, windows: int, *found: Tensor) -> list[Decoded]:
        """What was found as entities of each of so many windows, in the order of ``found``.

        That is five tensors of one length: window, first unit, last unit, the type's id and the score.
        """
        entities: list[list[Scored]] = [[] for _ in range(windows)]
        for window, start, last, type_, score in zip(*(column.tolist() for column in found)):
            entities[window].append((start, last + 1, self.spec.types[type_], score))
        return [Decoded(some, some) for some in entities]

    def transition_parameters(self) -> list[nn.Parameter]:
        """Parameters that learn at ``train.transition_lr_factor``."""
        return []


class TaggingHead(EntityHead):
    """A linear layer to the logits of each unit's tags, and the scheme to read entities from tags."""

    class_axis = 2

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        self.linear = nn.Linear(spec.size, len(spec.tags))

    def forward(self, states: Tensor) -> Tensor:
        """Logits [B, U, L] of states [B, U, H]."""
        logits: Tensor = self.linear(self.dropout(states))
        return logits

    @abstractmethod
    def read(self, logits: Tensor, mask: Tensor) -> list[TagSequence]:
        """The tags of each window from logits [B, U, L]; ``mask`` [B, U] is true for units, which come first."""

    def sequences(self, ids: Any, scores: Any, lengths: Any) -> list[TagSequence]:
        """Windows of ``lengths`` [B] from the tags' ids and scores [B, U], as arrays or tensors."""
        return [
            TagSequence([self.spec.tags[i] for i in row[:length]], score[:length])
            for row, score, length in zip(ids.tolist(), scores.tolist(), lengths.tolist())
        ]

    def decode(self, logits: Tensor, mask: Tensor) -> list[Decoded]:
        """The entities in the tags, leniently and strictly; an entity's score is the mean of its units'."""
        scheme = self.spec.scheme
        return [
            Decoded(_scored(scheme.decode_lenient(found.tags), found), _scored(scheme.decode(found.tags), found))
            for found in self.read(logits, mask)
        ]


def _scored(spans: list[Span], found: TagSequence) -> list[Scored]:
    return [(start, end, type_, sum(found.scores[start:end]) / (end - start)) for start, end, type_ in spans]
