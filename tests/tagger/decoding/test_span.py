"""Starts and ends, paired."""

import itertools
import math

import numpy as np
import pytest
from support.decoders import TYPES, decoder_of, random_logits


def test_span_pairs_each_start_with_the_nearest_end_of_its_type() -> None:
    decoder = decoder_of("span")
    logits, lengths = random_logits("span", decoder, 200, 9) - 0.3, [1 + i % 9 for i in range(200)]
    paired = 0
    for row, decoded in enumerate(decoder.decode(logits, np.array(lengths))):
        expected = []
        for type_, start in itertools.product(range(3), range(lengths[row])):
            if logits[row, start, type_] <= 0:
                continue
            for last in range(start, lengths[row]):
                if last > start and logits[row, last, type_] > 0:
                    break
                if logits[row, last, 3 + type_] > 0:
                    pair = [1 / (1 + math.exp(-logits[row, u, c])) for u, c in ((start, type_), (last, 3 + type_))]
                    expected.append((start, last + 1, TYPES[type_], pytest.approx(sum(pair) / 2)))
                    break
        assert decoded.entities == sorted(expected, key=lambda entity: entity[:3])
        paired += len(expected)
    assert paired > 500
