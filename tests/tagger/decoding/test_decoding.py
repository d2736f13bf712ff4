"""What every decoder promises, whatever the logits are."""

from typing import Any

import numpy as np
import pytest
from support.decoders import (
    ENTITIES,
    HEADS,
    MATRICES,
    TYPES,
    VARIANTS,
    decoder_of,
    golden_entities,
    golden_logits,
    logits_shape,
    padded,
    random_logits,
    valid_mask,
)

from clue_ner.common.errors import UnknownNameError
from clue_ner.core import plugins
from clue_ner.core.schemes import SCHEMES
from clue_ner.tagger.decoding import EntityDecoder, build, weight_names
from clue_ner.tagger.decoding._base import Decoded, TagDecoder, sigmoid, softmax

LENGTHS = [6, 1, 4]
every_variant = pytest.mark.parametrize("variant", VARIANTS)


def names_of(decoded: list[Decoded]) -> list[list[tuple[int, int, str]]]:
    """The entities without their scores."""
    return [[entity[:3] for entity in window.entities] for window in decoded]


def check(decoder: EntityDecoder, decoded: list[Decoded], lengths: list[int], legal: bool) -> None:
    """That windows have entities in order, inside them, with scores that are probabilities."""
    assert len(decoded) == len(lengths)
    for window, length in zip(decoded, lengths, strict=True):
        for entities in (window.entities, window.strict):
            assert entities == sorted(entities)
            assert all(0 <= start < end <= length and type_ in TYPES for start, end, type_, _ in entities)
            assert all(0 <= score <= 1 for *_, score in entities)
        assert {entity[:3] for entity in window.strict} <= {entity[:3] for entity in window.entities}
        assert not legal or window.strict == window.entities


def test_decoders_have_the_names_of_the_heads() -> None:
    assert plugins.names(plugins.HEADS) == HEADS
    assert set(HEADS) >= {"biaffine", "crf", "global_pointer", "softmax", "span"}


def test_decoders_are_found_by_name() -> None:
    assert [name for name in HEADS if plugins.reads_tags(name)] == ["crf", "softmax"]
    assert [name for name in HEADS if isinstance(decoder_of(name), TagDecoder)] == ["crf", "softmax"]
    assert {name: weight_names(name) for name in HEADS if weight_names(name)} == {
        "crf": ("transitions", "start", "end")
    }
    with pytest.raises(UnknownNameError, match=r"unknown head 'crff': there are biaffine, crf, .*softmax, span"):
        build("crff", decoder_of("crf").spec)


@every_variant
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_decoders_give_entities_of_each_window(variant: str, dtype: type) -> None:
    decoder = decoder_of(variant)
    decoded = decoder.decode(random_logits(variant, decoder, 30, 6).astype(dtype), np.array(10 * LENGTHS))
    check(decoder, decoded, 10 * LENGTHS, legal=variant != "softmax")
    assert sum(len(window.entities) for window in decoded) > 20


@every_variant
@pytest.mark.parametrize("scale", [0.0, 1e-9, 1e3, 1e6, 1e30])
def test_decoders_take_logits_of_any_size_without_overflow(variant: str, scale: float) -> None:
    decoder, lengths = decoder_of(variant), [1 + i % 9 for i in range(40)]
    logits = (scale * random_logits(variant, decoder, 40, 9)).astype(np.float32)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        decoded = decoder.decode(logits, np.array(lengths))
    check(decoder, decoded, lengths, legal=variant != "softmax")


@pytest.mark.parametrize("name", ["crf", "softmax", "softmax constrained"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_decoders_of_sequences_read_a_tag_for_each_unit_in_every_scheme(name: str, scheme: str) -> None:
    decoder, lengths = decoder_of(name, scheme), [5, 1, 3]
    assert isinstance(decoder, TagDecoder)
    read = decoder.read(random_logits(name, decoder, 3, 5), np.array(lengths))
    assert [len(window.tags) for window in read] == [len(window.scores) for window in read] == lengths
    assert all(tag in decoder.spec.tags for window in read for tag in window.tags)
    assert all(0 <= score <= 1 for window in read for score in window.scores)


@every_variant
def test_decoders_are_not_changed_by_padding_or_a_neighbour(variant: str) -> None:
    decoder = decoder_of(variant)
    logits, lengths = random_logits(variant, decoder, 3, 6), np.array(LENGTHS)
    decoded = decoder.decode(logits, lengths)
    assert sum(len(window.entities) for window in decoded) > 0
    for number, (length, expected) in enumerate(zip(LENGTHS, decoded)):
        own = logits[number : number + 1, :length]
        if decoder.unit_axes == (2, 3):
            own = logits[number : number + 1, :, :length, :length]
        (alone,) = decoder.decode(own, np.array([length]))
        assert names_of([alone]) == names_of([expected])
        assert [entity[3] for entity in alone.entities] == pytest.approx([entity[3] for entity in expected.entities])
    valid = valid_mask(decoder, logits, LENGTHS)
    for value in (1e6, -1e6):
        assert decoder.decode(np.where(valid, logits, value), lengths) == decoded
        assert decoder.decode(padded(decoder, logits, 2, value), lengths) == decoded


@every_variant
def test_decoders_leave_the_logits_as_they_are(variant: str) -> None:
    decoder = decoder_of(variant)
    logits = random_logits(variant, decoder, 3, 6)
    logits.setflags(write=False)
    assert decoder.decode(logits, np.array(LENGTHS)) == decoder.decode(logits.copy(), np.array(LENGTHS))


@every_variant
def test_decoders_may_find_nothing(variant: str) -> None:
    decoder = decoder_of(variant)
    logits = np.full(logits_shape(variant, decoder, 3, 6), -50.0, dtype=np.float32)
    if variant == "biaffine":
        logits[:, 0] = 50.0
    elif isinstance(decoder, TagDecoder):
        logits[..., decoder.spec.tags.index("O")] = 50.0
    assert decoder.decode(logits, np.array(LENGTHS)) == [Decoded([], [])] * 3


def test_decoders_golden_cases_are_all_there() -> None:
    assert len(ENTITIES) == 3


@pytest.mark.parametrize("case", golden_entities(), ids=[path.stem for path in ENTITIES])
@pytest.mark.parametrize("variant", ["span", *MATRICES])
def test_decoders_golden_entities(variant: str, case: dict[str, Any]) -> None:
    spans = [tuple(span) for span in case["spans"]]
    (decoded,) = decoder_of(variant).decode(golden_logits(variant, case), np.array([len(case["text"])]))
    found = [entity[:3] for entity in decoded.entities]
    if variant != "span" or case["pointers"]:
        assert sorted(found) == sorted(spans)
        assert all(score > 0.99 for *_, score in decoded.entities)
    else:
        assert set(found) != set(spans)


def test_decoders_probabilities_are_those_of_their_definitions() -> None:
    logits = np.linspace(-700, 700, 57)
    assert sigmoid(logits) == pytest.approx(np.exp(-np.logaddexp(0, -logits)), abs=1e-15)
    table = np.random.default_rng(0).normal(size=(5, 4)) * 10
    assert softmax(table, 1) == pytest.approx(np.exp(table) / np.exp(table).sum(1, keepdims=True))
    assert softmax(table + 1e4, 0).sum(0) == pytest.approx(np.ones(4))


def expected_doubts(variant: str, decoder: EntityDecoder, logits: Any, length: int) -> list[float]:
    """By the definition, one decision at a time: 1 minus the probability of what was decided."""
    if isinstance(decoder, TagDecoder):
        (found,) = decoder.read(logits[None], np.array([length]))
        return [1 - score for score in found.scores]
    doubts = []
    for unit in range(length):
        if variant == "span":
            decisions = [max(p, 1 - p) for p in sigmoid(logits[unit])]
        elif variant == "biaffine":
            decisions = [softmax(logits[:, unit, last], 0).max() for last in range(unit, length)]
        else:
            decisions = [max(p, 1 - p) for last in range(unit, length) for p in sigmoid(logits[:, unit, last])]
        doubts.append(sum(1 - decision for decision in decisions))
    return doubts


@every_variant
def test_decoders_doubt_is_the_expected_number_of_wrong_decisions(variant: str) -> None:
    decoder = decoder_of(variant)
    logits = random_logits(variant, decoder, len(LENGTHS), 6)
    doubts = decoder.doubts(logits, np.array(LENGTHS))
    assert doubts.shape == (len(LENGTHS), 6)
    for row, of_window, length in zip(doubts, logits, LENGTHS, strict=True):
        assert row[:length] == pytest.approx(expected_doubts(variant, decoder, of_window, length))
        assert not row[length:].any()


@every_variant
@pytest.mark.parametrize("value", [-1e30, 0.0, 1e30])
def test_decoders_doubt_nothing_beyond_the_end(variant: str, value: float) -> None:
    decoder = decoder_of(variant)
    logits = random_logits(variant, decoder, len(LENGTHS), 6).astype(np.float32)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        wide = decoder.doubts(padded(decoder, logits, 3, value), np.array(LENGTHS))
    assert wide[:, :6] == pytest.approx(decoder.doubts(logits, np.array(LENGTHS)))
    assert not wide[:, 6:].any()


@every_variant
def test_decoders_doubt_falls_as_the_logits_grow(variant: str) -> None:
    decoder = decoder_of(variant)
    logits = random_logits(variant, decoder, len(LENGTHS), 6)
    sure, unsure = (decoder.doubts(scale * logits, np.array(LENGTHS)).sum() for scale in (100, 1))
    assert 0 <= sure < unsure
