"""The best spans that do not cross."""

import itertools
from typing import Any

import numpy as np
import pytest
from support.decoders import TYPES, decoder_of, random_logits


def test_biaffine_reads_the_best_spans_that_do_not_cross() -> None:
    decoder = decoder_of("biaffine")
    logits, lengths = 2 * random_logits("biaffine", decoder, 100, 7), [1 + i % 7 for i in range(100)]
    nested = 0
    for row, decoded in enumerate(decoder.decode(logits, np.array(lengths))):
        ranked = []
        for start, last in itertools.combinations_with_replacement(range(lengths[row]), 2):
            probabilities = np.exp(logits[row, :, start, last])
            probabilities /= probabilities.sum()
            if type_ := int(probabilities.argmax()):
                ranked.append((float(probabilities[type_]), start, last, TYPES[type_ - 1]))
        kept: list[Any] = []
        for score, start, last, type_ in sorted(ranked, reverse=True):
            span = set(range(start, last + 1))
            others = [set(range(first, end)) for first, end, *_ in kept]
            if all(span <= other or other <= span or not span & other for other in others):
                kept.append((start, last + 1, type_, pytest.approx(score)))
                nested += any(span < other or other < span for other in others)
        assert decoded.entities == sorted(kept, key=lambda entity: entity[:3])
    assert nested > 20


def test_biaffine_takes_the_type_whose_logit_is_higher_by_less_than_a_probability_shows() -> None:
    logits = np.full((1, 4, 1, 1), -5.0, dtype=np.float32)
    logits[0, [0, 2], 0, 0] = np.float32(1e-9), np.float32(2e-9)
    (decoded,) = decoder_of("biaffine").decode(logits, np.array([1]))
    assert decoded.entities == [(0, 1, "ORG", pytest.approx(0.5, abs=0.01))]
    logits[0, 2] = logits[0, 0]
    assert decoder_of("biaffine").decode(logits, np.array([1]))[0].entities == []
