"""What every head promises. Letters: B batch, U units (characters or tokens), H hidden size, L labels, T types.

A head's loss is a function of its logits. Entities are read from the logits by ``tagger.decoding``, so the logits may
come from elsewhere, such as an ONNX graph.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from clue_ner.common.errors import ParamsError
from clue_ner.core.schemes import Scheme, types_of_tags


@dataclass(frozen=True, slots=True)
class HeadSpec:
    """All that a head is made from: the states' size H, the scheme, its label list, dropout before the head."""

    size: int
    scheme: Scheme
    tags: tuple[str, ...]
    dropout: float
    options: Mapping[str, Any] = field(default_factory=dict)
    """the head's own parameters, by the names in ``PARAMS`` of its decoder's module"""

    @property
    def types(self) -> tuple[str, ...]:
        """The entity types, sorted; the index is the type's id in ``batch["entities"]``."""
        return types_of_tags(self.tags)


class EntityHead(nn.Module, ABC):
    """States of units in, logits out, and the loss on them; entities are read by ``tagger.decoding``.

    A head's module has ``WEIGHS_TYPES = False`` if its loss takes no ``class_weights``.
    """

    class_axis: int | None = None
    """The axis of the logits over which classes exclude each other; None: every logit is a yes or no of its own."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.spec = spec
        self.dropout = nn.Dropout(spec.dropout)
        self.class_weights: dict[str, float] = {}

    def set_class_weights(self, class_weights: Mapping[str, float]) -> None:
        """Weigh types in the loss, those not named with 1; raises ParamsError for a type that is not there."""
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

    def valid_mask(self, mask: Tensor) -> Tensor:
        """Which logits mean something for windows with ``mask`` [B, U]: a mask that broadcasts to them."""
        return mask[..., None]

    def terms(self, mask: Tensor) -> Tensor | int:
        """How many terms the loss is a mean of: by default the units."""
        return mask.sum()

    def divergence(self, logits: Tensor, target: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
        """The divergence of ``logits`` from ``target``: a scalar, float32, a mean as the loss is one.

        The Kullback-Leibler divergence of the distributions over classes, or of each yes or no, after all logits are
        divided by ``temperature``; summed over the valid logits of windows with ``mask`` [B, U].
        """
        ours, wanted = logits.float() / temperature, target.float() / temperature
        if self.class_axis is None:
            yes = wanted.sigmoid() * (logsigmoid(wanted) - logsigmoid(ours))
            divergence = yes + (-wanted).sigmoid() * (logsigmoid(-wanted) - logsigmoid(-ours))
        else:
            ours, wanted = ours.log_softmax(self.class_axis), wanted.log_softmax(self.class_axis)
            divergence = (wanted.exp() * (wanted - ours)).sum(self.class_axis, keepdim=True)
        summed: Tensor = divergence.masked_fill(~self.valid_mask(mask), 0.0).sum()
        return summed / self.terms(mask)

    def rows(self) -> dict[str, tuple[Sequence[Hashable], ...]]:
        """What the rows of parameters belong to: by a parameter's name, the labels along its first axes.

        A label holds a type, or a tag's ``meaning``. Parameters without an axis over types or tags are left out; empty
        if the head does not say which these are.
        """
        return {}

    def take_over(self, other: "EntityHead") -> None:
        """Take the weights of ``other``, a head of the same kind and sizes; rows that it lacks stay as they are."""
        here, there, theirs = self.rows(), other.rows(), other.state_dict()
        for name, weights in self.state_dict().items():
            found = [
                _common(ours, others) for ours, others in zip(here.get(name, ()), there.get(name, ()), strict=True)
            ]
            if found:
                to, of = (torch.meshgrid(*axes, indexing="ij") for axes in zip(*found, strict=True))
                weights[to] = theirs[name][of]
            else:
                weights.copy_(theirs[name])

    def transition_parameters(self) -> list[nn.Parameter]:
        """Parameters that learn at ``train.transition_lr_factor``."""
        return []


class TaggingHead(EntityHead):
    """A linear layer to the logits of each unit's tags."""

    class_axis = 2

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        self.linear = nn.Linear(spec.size, len(spec.tags))

    def rows(self) -> dict[str, tuple[Sequence[Hashable], ...]]:
        """A row for each tag."""
        return {"linear.weight": (self.meanings(),), "linear.bias": (self.meanings(),)}

    def meanings(self) -> list[tuple[str, ...]]:
        """What each tag says, in a way that schemes have in common."""
        return [self.spec.scheme.meaning(tag) for tag in self.spec.tags]

    def forward(self, states: Tensor) -> Tensor:
        """Logits [B, U, L] of states [B, U, H]."""
        logits: Tensor = self.linear(self.dropout(states))
        return logits


def _common(ours: Sequence[Hashable], theirs: Sequence[Hashable]) -> tuple[Tensor, Tensor]:
    """Where the labels that both have stand in ``ours``, and where in ``theirs``."""
    places = {label: place for place, label in enumerate(theirs)}
    found = [(place, places[label]) for place, label in enumerate(ours) if label in places]
    here, there = torch.tensor(found, dtype=torch.long).reshape(-1, 2).unbind(1)
    return here, there
