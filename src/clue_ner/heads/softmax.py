"""A linear layer and cross entropy: every unit's tag is chosen on its own."""

from collections.abc import Mapping

from torch import Tensor
from torch.nn.functional import cross_entropy

from clue_ner.heads._contract import Decoded, TaggingHead


class Head(TaggingHead):
    """Token classification as in Devlin et al. 2019."""

    def loss(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Cross entropy, a mean over the units of the batch."""
        mask = batch["unit_mask"]
        return cross_entropy(logits[mask].float(), batch["labels"][mask])

    def decode(self, logits: Tensor, mask: Tensor) -> list[Decoded]:
        """The most probable tag of each unit, as a stock token-classification pipeline takes it."""
        scores, ids = logits.float().softmax(-1).max(-1)
        lengths = mask.sum(-1).tolist()
        return [
            Decoded([self.spec.tags[i] for i in row[:length]], score[:length])
            for row, score, length in zip(ids.tolist(), scores.tolist(), lengths)
        ]
