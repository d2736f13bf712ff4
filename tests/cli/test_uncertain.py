"""Which texts are to be labelled next."""

import random

import pytest

from clue_ner.cli import uncertain as module
from clue_ner.cli.uncertain import Uncertain, uncertainty


def chosen(texts: dict[str, float], wanted: int) -> list[str]:
    found: Uncertain[str] = Uncertain(wanted)
    for text, score in texts.items():
        found.add(score, text, text)
    return [text for _, text in found.chosen()]


def distinct(number: int) -> str:
    """A text that shares no three characters in a row with another of these."""
    return "".join(chr(0x4E00 + 5 * number + at) for at in range(5))


def test_uncertainty_grows_with_doubt_and_falls_with_length() -> None:
    assert uncertainty(2.0, "字" * 4) == 1.0
    assert uncertainty(2.0, "字" * 16) == 0.5
    assert uncertainty(0.0, "") == 0


def test_uncertain_texts_come_first() -> None:
    texts = {distinct(number): score for number, score in enumerate([0.1, 0.9, 0.5, 0.7])}
    ordered = sorted(texts, key=lambda text: -texts[text])
    assert chosen(texts, 3) == ordered[:3]
    assert chosen(texts, 9) == ordered


def test_uncertain_texts_of_equal_doubt_keep_their_order() -> None:
    texts = dict.fromkeys(map(distinct, range(5)), 0.5)
    assert chosen(texts, 3) == list(texts)[:3]


@pytest.mark.parametrize(
    ("first", "second", "near"),
    [
        ("昨天李雷在上海的招商银行上班。", "昨天李雷在上海的招商银行上班！", True),
        ("昨天李雷在上海的招商银行上班", "昨天韩梅在上海的招商银行上班", True),
        ("ＡＢＣ公司成立", "abc 公司成立", True),
        ("昨天李雷在上海上班", "今天韩梅在北京开会", False),
        ("李雷", "李雷", True),
        ("李雷", "韩梅", False),
    ],
)
def test_uncertain_texts_have_no_near_duplicates(first: str, second: str, near: bool) -> None:
    found: Uncertain[int] = Uncertain(9)
    for number, text in enumerate([first, second]):
        found.add(0.5, text, number)
    assert [number for _, number in found.chosen()] == ([0] if near else [0, 1])


def test_uncertain_texts_without_letters_do_not_count() -> None:
    assert chosen({"": 1.0, "。！": 1.0, "李雷": 0.1}, 3) == ["李雷"]


def test_uncertain_texts_are_the_same_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST", 1)
    generator = random.Random(0)
    texts = {distinct(number): generator.random() for number in range(2000)}
    found: Uncertain[str] = Uncertain(3)
    for text, score in texts.items():
        found.add(score, text, text)
        assert len(found._heap) == len(found._kept) <= 3 * module.CANDIDATES
    assert [text for _, text in found.chosen()] == sorted(texts, key=lambda text: -texts[text])[:3]


def test_uncertain_text_that_was_dropped_may_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST", 1)
    monkeypatch.setattr(module, "CANDIDATES", 1)
    found: Uncertain[float] = Uncertain(1)
    for score, text in ((0.1, "李雷"), (0.5, "韩梅"), (0.9, "李雷")):
        found.add(score, text, score)
    assert found.chosen() == [(0.9, 0.9)]


def test_uncertain_texts_are_not_crowded_out_by_copies_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST", 1)
    found: Uncertain[str] = Uncertain(2)
    for text, score in [*[("李雷在上海", 0.9)] * 99, (distinct(1), 0.1)]:
        found.add(score, text, text)
    assert [text for _, text in found.chosen()] == ["李雷在上海", distinct(1)]
