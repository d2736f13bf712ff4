"""The most probable tag of each unit, or of the sequences that the scheme allows the most probable one."""

import math

import numpy as np
import pytest
from support.decoders import decoder_of, random_logits
from support.sequences import legal_paths

from clue_ner.core.schemes import SCHEMES
from clue_ner.tagger.decoding._base import TagDecoder


def softmax_of(variant: str = "softmax", scheme: str = "BIO", types: tuple[str, ...] = ("LOC", "PER")) -> TagDecoder:
    decoder = decoder_of(variant, scheme, types)
    assert isinstance(decoder, TagDecoder)
    return decoder


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_takes_the_most_probable_tag(dtype: type) -> None:
    logits = np.zeros((1, 2, 5), dtype=dtype)
    logits[0, 0, 3], logits[0, 1, 2] = 2.0, 3.0
    (found,) = softmax_of().read(logits, np.array([2]))
    assert found.tags == ["B-PER", "I-LOC"]
    assert found.scores == pytest.approx([math.e**2 / (math.e**2 + 4), math.e**3 / (math.e**3 + 4)], abs=1e-6)


def test_softmax_entities_are_lenient_and_strict_and_score_the_mean_of_their_units() -> None:
    decoder = softmax_of()
    logits = np.zeros((1, 4, 5))
    for unit, (tag, logit) in enumerate([("I-LOC", 1.0), ("B-PER", 2.0), ("I-PER", 3.0), ("O", 4.0)]):
        logits[0, unit, decoder.spec.tags.index(tag)] = logit
    (found,) = decoder.decode(logits, np.array([4]))
    first, *person = [math.exp(logit) / (math.exp(logit) + 4) for logit in (1.0, 2.0, 3.0)]
    entity = (1, 3, "PER", pytest.approx(sum(person) / 2))
    assert found.entities == [(0, 1, "LOC", pytest.approx(first)), entity]
    assert found.strict == [entity]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_softmax_constrained_reads_the_best_legal_sequence(scheme: str) -> None:
    decoder = softmax_of("softmax constrained", scheme, ("LOC",))
    tags = decoder.spec.tags
    logits, lengths = random_logits("softmax", decoder, 8, 4, seed=1), np.array([4, 1, 3, 4, 2, 4, 4, 4])
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    constrained = decoder.read(logits, lengths)
    free = softmax_of("softmax", scheme, ("LOC",)).read(logits, lengths)
    for row, found in enumerate(constrained):
        legal = {
            path: [probabilities[row, unit, tag] for unit, tag in enumerate(path)]
            for path in legal_paths(decoder.spec.scheme, tags, int(lengths[row]))
        }
        best = max(legal, key=lambda path: math.prod(legal[path]))
        assert found.tags == [tags[tag] for tag in best]
        assert found.scores == pytest.approx(legal[best])
    assert [found.tags for found in constrained] != [found.tags for found in free]
