"""Every span whose score is above 0."""

import itertools
import math

import numpy as np
import pytest
from support.decoders import TYPES, decoder_of, random_logits


def test_global_pointer_reads_every_span_above_zero() -> None:
    decoder = decoder_of("global_pointer")
    logits, lengths = random_logits("global_pointer", decoder, 50, 7), [1 + i % 7 for i in range(50)]
    for row, decoded in enumerate(decoder.decode(logits, np.array(lengths))):
        expected = []
        for start, last in itertools.combinations_with_replacement(range(lengths[row]), 2):
            for type_, name in enumerate(TYPES):
                if (score := logits[row, type_, start, last]) > 0:
                    expected.append((start, last + 1, name, pytest.approx(1 / (1 + math.exp(-score)))))
        assert decoded.entities == expected == decoded.strict


def test_global_pointer_takes_zero_for_no_entity() -> None:
    decoder = decoder_of("global_pointer")
    assert decoder.decode(np.zeros((1, 3, 4, 4), dtype=np.float32), np.array([4]))[0].entities == []
