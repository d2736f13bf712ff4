"""A linear layer and cross entropy: every unit's tag is learned on its own.

With ``train.constrained``, the tags of a window are decoded together: of the sequences that the scheme allows, the one
with the highest product of probabilities.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clue_ner.network.heads import _linear_chain
from clue_ner.network.heads._base import HeadSpec, TaggingHead, TagSequence
from clue_ner.network.heads._linear_chain import Floats


class Head(TaggingHead):
    """Token classification as in Devlin et al. 2019."""

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        self._chain: tuple[Floats, Floats, Floats] | None = None
        if spec.constrained:
            matrix, starts, ends = (np.where(table, 0.0, -np.inf) for table in spec.scheme.transitions(spec.tags))
            self._chain = starts, matrix, ends

    def loss(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Cross entropy, a mean over the units of the batch; those in an entity of a weighed type count so much."""
        mask = batch["unit_mask"]
        scores, labels = logits[mask].float(), batch["labels"][mask]
        weights = self.weights_of([tag.partition("-")[2] for tag in self.spec.tags], scores)
        if weights is None:
            return cross_entropy(scores, labels)
        return cross_entropy(scores, labels, weights, reduction="sum") / mask.sum()

    @torch.no_grad()
    def read(self, logits: Tensor, mask: Tensor) -> list[TagSequence]:
        """The most probable tag of each unit, as a stock token-classification pipeline takes it, or of each window."""
        lengths = mask.sum(-1)
        probabilities = logits.float().softmax(-1)
        scores, ids = probabilities.max(-1)
        if self._chain is not None:
            logarithms = logits.float().log_softmax(-1).double().cpu().numpy()
            ids = torch.from_numpy(_linear_chain.viterbi(logarithms, lengths.cpu().numpy(), *self._chain)).to(ids)
            scores = probabilities.gather(-1, ids[..., None]).squeeze(-1)
        return self.sequences(ids, scores, lengths)
