"""Head softmax: the most probable tag of each unit, as in the stock token-classification pipeline.

With ``train.constrained`` the tags of a window are decoded together: the legal sequence with the highest product of
probabilities.
"""

import numpy as np

from clue_ner.tagger.decoding import _linear_chain
from clue_ner.tagger.decoding._base import DecoderSpec, Floats, Ints, TagDecoder, TagSequence

PARAMS = {"constrained": False}


class Decoder(TagDecoder):
    """Argmax, or Viterbi over the legal sequences."""

    def __init__(self, spec: DecoderSpec) -> None:
        super().__init__(spec)
        self._chain = None
        if spec.options["constrained"]:
            matrix, starts, ends = (np.where(table, 0.0, -np.inf) for table in spec.scheme.transitions(spec.tags))
            self._chain = starts, matrix, ends

    def read(self, logits: Floats, lengths: Ints) -> list[TagSequence]:
        """The tags, each with its own probability."""
        best = logits.argmax(-1)  # [B, U]
        shifted = logits - np.take_along_axis(logits, best[..., None], -1)  # 0 at the best tag: exp does not overflow
        # adding a constant to all logits of a unit changes no path, so they need not be normalised
        ids = best if self._chain is None else _linear_chain.viterbi(logits.astype(np.float64), lengths, *self._chain)
        chosen = np.take_along_axis(shifted, ids[..., None], -1)[..., 0]
        scores = np.exp(chosen) / np.exp(shifted).sum(-1)
        return self.sequences(ids, scores, lengths)
