"""The base class of all heads.

Letters: B batch, U units (characters or tokens), H hidden size, L tags, K types, E entities. A head's loss is a
function of its logits. Entities are decoded from the logits by ``tagger.decoding``, so the logits may also come from
an ONNX graph.
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
    """The settings of a head: the states' size H, the scheme, its label list, dropout before the head."""

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
    """Computes logits from the states of units, and the loss from the logits.

    A head's module has ``WEIGHS_TYPES = False`` if its loss does not support ``class_weights``.
    """

    class_axis: int | None = None
    """The axis of the logits for mutually exclusive classes; None: every logit is a separate yes/no decision."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__()
        self.spec = spec
        self.dropout = nn.Dropout(spec.dropout)
        self.class_weights: dict[str, float] = {}

    def set_class_weights(self, class_weights: Mapping[str, float]) -> None:
        """Set the weights of types in the loss, 1 for others; raises ParamsError for an unknown type."""
        if unknown := sorted(class_weights.keys() - set(self.spec.types)):
            raise ParamsError(
                f"params.yaml: train.class_weights: no type {', '.join(unknown)} in the corpus; "
                f"there are {', '.join(self.spec.types)}"
            )
        self.class_weights = dict(class_weights)

    def weights_of(self, classes: Sequence[str], like: Tensor) -> Tensor | None:
        """The weights of ``classes`` (types or ``O``), a tensor like ``like``; None if all weights are equal."""
        if not self.class_weights:
            return None
        return like.new_tensor([self.class_weights.get(type_, 1.0) for type_ in classes])

    @abstractmethod
    def forward(self, states: Tensor) -> Tensor:
        """Logits of states [B, U, H]."""

    @abstractmethod
    def loss(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """The mean loss, a scalar, float32.

        ``batch`` has unit_mask [B, U] (bool), labels [B, U] (tag ids) and entities [B, E, 3]: start, end (exclusive)
        and the type's id, which is -1 in rows with fewer than E entities.
        """

    def valid_mask(self, mask: Tensor) -> Tensor:
        """The mask, broadcastable to the logits, of valid logits for windows with ``mask`` [B, U]."""
        return mask[..., None]

    def terms(self, mask: Tensor) -> Tensor | int:
        """The number of terms in the mean of the loss; default: the number of units."""
        return mask.sum()

    def divergence(self, logits: Tensor, target: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
        """The Kullback-Leibler divergence from ``target`` to ``logits``, a float32 scalar.

        It is that of the distributions over classes, or of each yes/no decision, after all logits are divided by
        ``temperature``; summed over the valid logits of windows with ``mask`` [B, U], and divided by ``terms``.
        """
        ours, wanted = logits.float() / temperature, target.float() / temperature
        if self.class_axis is None:
            yes = wanted.sigmoid() * (logsigmoid(wanted) - logsigmoid(ours))
            divergence = yes + (-wanted).sigmoid() * (logsigmoid(-wanted) - logsigmoid(-ours))
        else:
            ours, wanted = ours.log_softmax(self.class_axis), wanted.log_softmax(self.class_axis)
            divergence = (wanted.exp() * (wanted - ours)).sum(self.class_axis, keepdim=True)  # 1 at the class axis
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
        """Parameters with the learning rate factor ``train.transition_lr_factor``."""
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
