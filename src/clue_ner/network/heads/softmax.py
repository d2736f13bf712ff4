"""Token classification: a linear layer and cross entropy for the tag of each unit, independently."""

from collections.abc import Mapping

from torch import Tensor
from torch.nn.functional import cross_entropy

from clue_ner.network.heads._base import TaggingHead


class Head(TaggingHead):
    """Token classification as in Devlin et al. 2019."""

    def loss(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Cross entropy, a mean over the units of the batch; tags of a weighted type are multiplied by its weight."""
        mask = batch["unit_mask"]
        scores, labels = logits[mask].float(), batch["labels"][mask]  # [units, L], [units]
        weights = self.weights_of([tag.partition("-")[2] for tag in self.spec.tags], scores)
        if weights is None:
            return cross_entropy(scores, labels)
        return cross_entropy(scores, labels, weights, reduction="sum") / mask.sum()
