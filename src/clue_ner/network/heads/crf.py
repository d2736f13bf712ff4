"""A linear-chain conditional random field over the tags (Lafferty et al. 2001; for NER, Lample et al. 2016).

Transitions that the scheme forbids have the score ``FORBIDDEN`` in training and minus infinity in decoding, so illegal
sequences are never predicted. Letters: B batch, U units, L tags.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from clue_ner.network.heads._base import HeadSpec, TaggingHead
from clue_ner.tagger.decoding import _linear_chain

WEIGHS_TYPES = False
FORBIDDEN = -1e4


class Head(TaggingHead):
    """Emissions [B, U, L] from a linear layer, transition scores [L, L] from-to, start and end scores [L]."""

    legal: Tensor
    legal_start: Tensor
    legal_end: Tensor

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        size = len(spec.tags)
        self.transitions = nn.Parameter(torch.zeros(size, size))
        self.start = nn.Parameter(torch.zeros(size))
        self.end = nn.Parameter(torch.zeros(size))
        matrix, starts, ends = spec.scheme.transitions(spec.tags)
        for name, table in (("legal", matrix), ("legal_start", starts), ("legal_end", ends)):
            self.register_buffer(name, torch.tensor(table), persistent=False)

    def rows(self) -> dict[str, tuple[Sequence[Hashable], ...]]:
        """Transitions have a row and a column for each tag."""
        tags = self.meanings()
        return super().rows() | {"transitions": (tags, tags), "start": (tags,), "end": (tags,)}

    def transition_parameters(self) -> list[nn.Parameter]:
        """The transition, start and end scores."""
        return [self.transitions, self.start, self.end]

    def terms(self, mask: Tensor) -> int:
        """The number of windows."""
        return len(mask)

    def loss(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Negative log-likelihood of the gold tags: a sum over the units of a window, a mean over the batch."""
        mask, emissions = batch["unit_mask"], logits.float()
        gold = self.score(emissions, mask, batch["labels"])
        return (self.partition(emissions, mask) - gold).mean()

    def score(self, emissions: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
        """The score [B] of the tag sequences ``labels`` [B, U]."""
        start, transitions, end = self._masked(emissions)  # [L], [L, L], [L]
        weight = mask.to(emissions.dtype)  # [B, U]
        own = (emissions.gather(-1, labels[..., None]).squeeze(-1) * weight).sum(-1)  # [B]
        moves = (transitions[labels[:, :-1], labels[:, 1:]] * weight[:, 1:]).sum(-1)  # [B]
        last = labels.gather(1, mask.sum(-1, keepdim=True) - 1).squeeze(-1)  # [B]
        return start[labels[:, 0]] + own + moves + end[last]

    def partition(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The log partition [B]: logsumexp of the scores of all sequences, by the forward algorithm."""
        partition: Tensor = _LogPartition.apply(  # type: ignore[no-untyped-call]
            emissions, mask.sum(-1), *self._masked(emissions)
        )
        return partition

    def _masked(self, emissions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Start [L], transition [L, L] and end scores [L], forbidden ones masked, on the device of ``emissions``."""
        return (
            self.start.masked_fill(~self.legal_start, FORBIDDEN).to(emissions.device),
            self.transitions.masked_fill(~self.legal, FORBIDDEN).to(emissions.device),
            self.end.masked_fill(~self.legal_end, FORBIDDEN).to(emissions.device),
        )


class _LogPartition(torch.autograd.Function):
    """The log partition [B] with closed-form derivatives: autograd would record a dozen small operations per unit."""

    @staticmethod
    def forward(context: Any, emissions: Tensor, lengths: Tensor, *tables: Tensor) -> Tensor:
        posterior = _linear_chain.posterior(*_arrays(emissions, lengths, *tables))
        last = posterior.marginals[np.arange(len(lengths)), lengths.cpu().numpy() - 1]  # [B, L]
        derivatives = (posterior.marginals, posterior.marginals[:, 0], posterior.moves, last)
        context.save_for_backward(*(torch.from_numpy(d).to(emissions) for d in derivatives))
        return torch.from_numpy(posterior.log_partition).to(emissions)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        marginals, first, moves, last = context.saved_tensors  # [B, U, L], [B, L], [B, L, L], [B, L]
        summed = (torch.tensordot(gradient, derivative, 1) for derivative in (first, moves, last))
        return gradient[:, None, None] * marginals, None, *summed


def _arrays(*tensors: Tensor) -> list[Any]:
    return [t.detach().cpu().double().numpy() if t.is_floating_point() else t.cpu().numpy() for t in tensors]
