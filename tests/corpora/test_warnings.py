"""What is said of a corpus whose scores would mean little."""

from typing import Any

import pytest

from clue_ner.core.entities import Entity, Sentence
from clue_ner.corpora import Corpus
from clue_ner.corpora._warnings import warnings_of


def split(*texts: str, **types: str) -> list[Sentence]:
    """A sentence for each text, with an entity on the first character of the type that ``types`` has for it, or t."""
    return [Sentence(str(i), text, (Entity(0, 1, types.get(text[0], "t")),)) for i, text in enumerate(texts)]


def corpus(**splits: Any) -> Corpus:
    return Corpus("mine", splits, "", "")


def test_warnings_are_none_for_a_corpus_that_is_right() -> None:
    assert warnings_of(corpus(train=split("一", "二"), valid=split("三"), test=split("四"))) == []
    assert warnings_of(corpus(train=split("一"), unlabelled=[Sentence("0", "一")])) == []


def test_warnings_name_a_test_split_that_is_train() -> None:
    train = split("一", "二", "三")
    (line,) = warnings_of(corpus(train=train, valid=split("四"), test=train))
    assert line.startswith("test: 3 of 3 sentences (100.0%) are in train or valid too, so scores on it are too high")


def test_warnings_name_the_share_of_each_split_that_leaks() -> None:
    first, second = warnings_of(corpus(train=split("一", "二"), valid=split("二", "三"), test=split("三", "四", "五")))
    assert first.startswith("valid: 1 of 2 sentences (50.0%) are in train too")
    assert second.startswith("test: 1 of 3 sentences (33.3%) are in train or valid too")
    (line,) = warnings_of(corpus(train=split("一"), test=split("一", "二")))
    assert line.startswith("test: 1 of 2 sentences (50.0%) are in train too")


@pytest.mark.parametrize(
    ("name", "meaning"), [("valid", "it chooses no epoch, and the last one is kept"), ("test", "mean nothing")]
)
def test_warnings_name_a_split_without_entities(name: str, meaning: str) -> None:
    empty = [Sentence("0", "今天没有风。"), Sentence("1", "雨")]
    (line,) = warnings_of(corpus(train=split("一"), **{name: empty}))
    assert line.startswith(f"{name}: none of its 2 sentences has an entity: ")
    assert meaning in line


@pytest.mark.parametrize(
    ("train", "valid", "test", "wanted"),
    [
        ("ab", "ab", "ab", []),
        ("a", "ab", "ab", ["train: it has no entity of type b: none can be learned"]),
        ("abc", "c", "abc", ["valid: it has no entity of type a, b: they have no part in the choice of the epoch"]),
        ("ab", "ab", "a", ["test: it has no entity of type b: they are not scored"]),
        ("a", None, "ab", ["train: it has no entity of type b: none can be learned"]),
        ("ab", None, None, []),
    ],
)
def test_warnings_name_the_types_that_a_split_lacks(
    train: str, valid: str | None, test: str | None, wanted: list[str]
) -> None:
    given = {"train": train, "valid": valid, "test": test}
    texts = iter("一二三四五六七八九")
    splits = {
        name: [Sentence(type_, text, (Entity(0, 1, type_),)) for type_, text in zip(types, texts)]
        for name, types in given.items()
        if types is not None
    }
    assert warnings_of(corpus(**splits)) == wanted


PLACES = ["上海", "北京", "佛山", "杭州", "苏州", "宁波"]
NAMES = ["林若溪", "程千帆", "沈锐", "罗启明"]


def sentences(start: int, end: int, before: str = "") -> list[Sentence]:
    """Right offsets of "林若溪，到了上海。" after ``before``, moved by ``start`` and ``end``."""
    found = []
    for name in NAMES:
        for place in PLACES:
            text = f"{before}{name}，到了{place}。"
            spans = [(len(before), len(before) + len(name)), (len(text) - 1 - len(place), len(text) - 1)]
            spans = [(from_ + start, to + end) for from_, to in spans]
            entities = tuple(Entity(from_, to, "t") for from_, to in spans if from_ < to <= len(text))
            found.append(Sentence(text, text, entities))
    return found


@pytest.mark.parametrize(
    ("train", "options"),
    [
        (sentences(0, -1), "{ends: inclusive}"),
        (sentences(1, 1), "{first: 1}"),
        (sentences(1, 0), "{first: 1, ends: inclusive}"),
        (sentences(1, 1, before="💩"), "{offsets: utf16}"),
        (sentences(2, 2, before="💩，😀"), "{offsets: utf16}"),
    ],
)
def test_warnings_name_how_the_offsets_of_a_whole_corpus_look(train: list[Sentence], options: str) -> None:
    (line,) = warnings_of(corpus(train=train))
    assert line.startswith("offsets: they seem to be counted differently")
    assert options in line


@pytest.mark.parametrize("before", ["", "💩", "昨天"])
def test_warnings_leave_right_offsets_alone(before: str) -> None:
    assert warnings_of(corpus(train=sentences(0, 0, before))) == []


def test_warnings_take_no_closing_bracket_for_the_end_of_a_span_that_opens_it() -> None:
    """With inclusive ends every surface is 《边城, and the mark behind it proves nothing."""
    train = [Sentence(str(i), f"他读《边城》第{i}遍了", (Entity(2, 5, "book"),)) for i in range(20)]
    train += sentences(0, -1)
    (line,) = warnings_of(corpus(train=train))
    assert "{ends: inclusive}" in line


def test_warnings_need_more_than_a_few_entities_to_doubt_offsets() -> None:
    assert warnings_of(corpus(train=sentences(0, -1)[:3])) == []
