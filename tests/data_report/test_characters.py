"""Characters that are not seen or are taken for others."""

import pytest
from support.sentences import marked_all

from clue_ner.data_report.characters import KINDS, kind_of, mixes_widths, odd_characters

CASES = {
    "nul": "\0",
    "control": "\x01\x1b\x7f\x9f",
    "line_break_or_tab": "\n\r\t\v\f\x85\u2028\u2029",
    "zero_width": "\u200b\u200c\u200d\u200e\u202e\u2060\ufeff\xad",
    "odd_space": "\u3000\xa0\u2003",
    "private_use": "\ue000\uf8ff\U000f0000",
    "unassigned": "\ufdd0\uffff\u0378",
    "replacement": "\ufffd",
    "lone_surrogate": "\ud83d\udc00",
    "combining": "\u0301\ufe0f\u3099",
    "compatibility": "\u2f00\u2e8c\uf90a\ufa0a",
}


@pytest.mark.parametrize("kind", KINDS)
def test_characters_of_each_kind(kind: str) -> None:
    assert [kind_of(character) for character in CASES[kind]] == [kind] * len(CASES[kind])


def test_characters_that_are_in_order() -> None:
    for character in " a1，。《》“”·中文字龘𠀀㈱①½％Ａ１é😀々〇ー":
        assert kind_of(character) is None, character


@pytest.mark.parametrize(
    ("text", "mixed"),
    [
        ("iPhone１２", True),
        ("１２，ab", True),
        ("（注)", True),
        ("(注）", True),
        ("一，二,三", True),
        ("全！半!", True),
        ("iPhone12，好", False),
        ("１２，好", False),
        ("（注）a", False),
        ("好。a.b", False),
        ("ab,12", False),
        ("", False),
    ],
)
def test_characters_of_both_widths(text: str, mixed: bool) -> None:
    assert mixes_widths(text) is mixed


def test_characters_are_counted_by_texts_and_entities() -> None:
    sentences = marked_all("{李\u200b雷|name}在\u200b上海", "\u200b\ufeff好", "正常{上海|address}", "（一)")
    found = odd_characters(sentences, examples=1)
    assert found == {
        "zero_width": {
            "characters": 4,
            "texts": 2,
            "entities": 1,
            "which": {"U+200B": 3},
            "ids": ["1"],
        },
        "mixed_width": {"characters": 0, "texts": 1, "entities": 0, "which": {}, "ids": ["4"]},
    }
    assert odd_characters(sentences[2:3], examples=9) == {}
