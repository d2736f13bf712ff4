"""Head crf: the best legal tag sequence by Viterbi, with the marginal probability of each of its tags."""

import numpy as np

from clue_ner.common.errors import ArtifactError
from clue_ner.tagger.decoding import _linear_chain
from clue_ner.tagger.decoding._base import DecoderSpec, Floats, Ints, TagDecoder, TagSequence

WEIGHTS = ("transitions", "start", "end")


class Decoder(TagDecoder):
    """Transitions that the scheme forbids have the score minus infinity, so illegal sequences are never predicted."""

    def __init__(self, spec: DecoderSpec) -> None:
        super().__init__(spec)
        matrix, starts, ends = (np.asarray(table) for table in spec.scheme.transitions(spec.tags))
        self._chain = []
        for name, legal in {"start": starts, "transitions": matrix, "end": ends}.items():
            learned = np.asarray(spec.weights[name], dtype=np.float64)
            if learned.shape != legal.shape:
                raise ArtifactError(
                    f"weights of head crf: {name} is {learned.shape}, wanted {legal.shape} for the tags; train it again"
                )
            self._chain.append(np.where(legal, learned, -np.inf))

    def read(self, logits: Floats, lengths: Ints) -> list[TagSequence]:
        """The best legal sequence of each window, and the marginals of its tags."""
        emissions = logits.astype(np.float64)
        paths = _linear_chain.viterbi(emissions, lengths, *self._chain)
        probabilities = _linear_chain.marginals(emissions, lengths, *self._chain)
        scores = np.take_along_axis(probabilities, paths[..., None], -1)[..., 0].clip(0, 1)
        return self.sequences(paths, scores, lengths)
