"""Entities, sentences, and the fingerprint of their content."""

import dataclasses
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clue_ner.core.entities import (
    Entity,
    Sentence,
    fingerprint,
    fingerprint_of_all,
    overlapping_pairs,
    resolve_overlaps,
    types_of,
)

SENTENCE = Sentence("1", "我在北京😀吃饭", (Entity(2, 4, "address"),))


def test_entities_surface_counts_code_points() -> None:
    assert Entity(4, 6, "x").surface("我在北京😀吃饭") == "😀吃"


def test_entities_are_equal_whatever_their_score() -> None:
    assert Entity(2, 4, "address", 0.5) == Entity(2, 4, "address", 0.9) == Entity(2, 4, "address")
    assert len({Entity(2, 4, "address", 0.5), Entity(2, 4, "address")}) == 1
    assert Entity(2, 4, "address") != Entity(2, 4, "name")


def test_entities_sort_by_start_end_type() -> None:
    first, second, third, fourth = Entity(0, 1, "b"), Entity(0, 2, "a"), Entity(1, 2, "a"), Entity(1, 2, "b")
    assert sorted([third, fourth, second, first]) == [first, second, third, fourth]


def test_entities_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="start"):
        Entity(0, 1, "a").start = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0, 2), (2, 4), False),
        ((0, 3), (2, 4), True),
        ((0, 9), (2, 4), True),
        ((2, 4), (2, 4), True),
        ((5, 6), (0, 5), False),
    ],
)
def test_entities_overlap_if_they_share_a_character(
    first: tuple[int, int], second: tuple[int, int], expected: bool
) -> None:
    assert Entity(*first, "a").overlaps(Entity(*second, "b")) is expected
    assert Entity(*second, "b").overlaps(Entity(*first, "a")) is expected


def test_entities_overlapping_pairs_finds_each_once() -> None:
    outer, inner, other, last = Entity(0, 9, "a"), Entity(2, 4, "a"), Entity(3, 9, "b"), Entity(9, 10, "a")
    assert overlapping_pairs([last, other, inner, outer]) == [(outer, inner), (outer, other), (inner, other)]
    assert overlapping_pairs([]) == []


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(1, 5), st.sampled_from("ab"), st.sampled_from([0.2, 0.5, 0.9])))
)
def test_entities_resolve_overlaps_leaves_out_what_overlaps_a_likelier_one(
    drawn: list[tuple[int, int, str, float]],
) -> None:
    entities = [Entity(start, start + length, type_, score) for start, length, type_, score in drawn]
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda entity: (-(entity.score or 0), entity)):
        if not any(entity.overlaps(other) for other in kept):
            kept.append(entity)
    assert resolve_overlaps(entities) == tuple(sorted(kept))


def test_entities_types_of_is_sorted() -> None:
    sentences = [Sentence("1", "甲乙", (Entity(0, 1, "scene"), Entity(1, 2, "book"))), SENTENCE]
    assert types_of(sentences) == ["address", "book", "scene"]


def test_entities_fingerprint_depends_on_nothing_but_content() -> None:
    two = Sentence("2", "甲乙", (Entity(0, 1, "scene"), Entity(1, 2, "book")))
    turned = dataclasses.replace(two, id="9", entities=two.entities[::-1])
    assert fingerprint([SENTENCE, two]) == fingerprint(iter([SENTENCE, turned]))
    changes = [
        [two, SENTENCE],
        [SENTENCE],
        [SENTENCE, dataclasses.replace(two, text="甲乙丙")],
        [SENTENCE, dataclasses.replace(two, entities=two.entities[:1])],
        [SENTENCE, dataclasses.replace(two, entities=(Entity(0, 1, "name"), two.entities[1]))],
    ]
    assert len({fingerprint(change) for change in [*changes, [SENTENCE, two]]}) == len(changes) + 1


def test_entities_fingerprint_takes_lone_surrogates() -> None:
    assert fingerprint([Sentence("1", "\ud800")]) != fingerprint([Sentence("1", "\ud801")])


def test_entities_fingerprint_of_all_is_of_the_labelled_splits_in_their_order() -> None:
    splits = {"train": "1" * 64, "valid": "2" * 64, "test": "3" * 64}
    digest = hashlib.sha256("".join(f"{name} {found}\n" for name, found in splits.items()).encode()).hexdigest()
    assert fingerprint_of_all(splits) == fingerprint_of_all(splits | {"unlabelled": "4" * 64}) == digest
    others = [splits | {"test": "5" * 64}, dict(list(splits.items())[:2]), dict(reversed(splits.items()))]
    assert len({fingerprint_of_all(other) for other in [*others, splits]}) == 4
