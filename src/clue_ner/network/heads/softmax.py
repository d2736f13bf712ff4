"""A linear layer and cross entropy: every unit's tag is learned on its own."""

from collections.abc import Mapping

from torch import Tensor
from torch.nn.functional import cross_entropy

from clue_ner.network.heads._base import TaggingHead


class Head(TaggingHead):
    """Token classification as in Devlin et al. 2019."""

    def loss(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Cross entropy, a mean over the units of the batch; those in an entity of a weighted type times its weight."""
        mask = batch["unit_mask"]
        scores, labels = logits[mask].float(), batch["labels"][mask]
        weights = self.weights_of([tag.partition("-")[2] for tag in self.spec.tags], scores)
        if weights is None:
            return cross_entropy(scores, labels)
        return cross_entropy(scores, labels, weights, reduction="sum") / mask.sum()
