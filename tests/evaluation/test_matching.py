"""Another system's predictions beside the gold that they are of."""

from collections.abc import Sequence

import pytest
from support.sentences import marked

from clue_ner.common.errors import CorpusError
from clue_ner.evaluation.matching import ADVICE, Placed, match


def placed(name: str, texts: Sequence[str], ids: Sequence[str] | None = None, unlabelled: int = -1) -> list[Placed]:
    """The sentences of a file; without ``ids`` they have none."""
    return [
        Placed(f"{name}:{number}", marked(text, ids[number - 1] if ids else ""), number != unlabelled)
        for number, text in enumerate(texts, 1)
    ]


GOLD = ["{李雷|name}在", "在{上海|address}"]
FOUND = ["李雷在", "{在|name}上海"]


def test_matching_by_order() -> None:
    gold, predicted = match(placed("gold", GOLD), placed("found", FOUND))
    assert [sentence.text for sentence in gold] == ["李雷在", "在上海"]
    assert predicted == [(), marked(FOUND[1]).entities]


def test_matching_by_id_in_any_order() -> None:
    gold, predicted = match(placed("gold", GOLD, "ab"), placed("found", FOUND[::-1], "ba"))
    assert [sentence.id for sentence in gold] == ["a", "b"]
    assert predicted == [(), marked(FOUND[1]).entities]


@pytest.mark.parametrize("ids", [(None, "ab"), ("ab", None), ("ab", "cd")])
def test_matching_without_common_ids_is_by_order(ids: tuple[str | None, str | None]) -> None:
    _, predicted = match(placed("gold", GOLD, ids[0]), placed("found", FOUND, ids[1]))
    assert predicted == [(), marked(FOUND[1]).entities]


def test_matching_leaves_out_gold_that_is_not_labelled() -> None:
    gold, predicted = match(placed("gold", GOLD, unlabelled=1), placed("found", FOUND))
    assert [sentence.text for sentence in gold] == ["在上海"]
    assert predicted == [marked(FOUND[1]).entities]


@pytest.mark.parametrize(
    ("gold", "found", "problems"),
    [
        (
            placed("gold", GOLD),
            placed("found", FOUND[:1]),
            ["gold:2: nothing is predicted for it; there are 2 gold sentences and 1 predictions"],
        ),
        (
            placed("gold", GOLD[:1]),
            placed("found", [*FOUND, "多"]),
            ["found:2: there is no gold for it, nor for the 1 after it; there are 1 gold sentences and 3 predictions"],
        ),
        (
            placed("gold", ["一二三四五六七八九十甲乙"]),
            placed("found", ["一二三四五六七八九十甲丙"]),
            [
                "found:1: another text than gold:1: '二三四五六七八九十甲丙' and '二三四五六七八九十甲乙', "
                "from character 1 on"
            ],
        ),
        (
            placed("gold", ["一二"]),
            placed("found", ["一"]),
            ["found:1: another text than gold:1: '一' and '一二', from character 0 on"],
        ),
        (
            placed("gold", GOLD),
            placed("found", FOUND, unlabelled=2),
            ["found:2: has no entities; write an empty list if there are none"],
        ),
        (
            placed("gold", GOLD, "ab"),
            placed("found", [*FOUND, "多"], "aax"),
            [
                "found:2: id 'a' is that of found:1 already",
                "found:3: no gold sentence has the id 'x'",
                "gold:2: nothing is predicted for id 'b'",
            ],
        ),
    ],
)
def test_matching_names_what_has_no_partner(gold: list[Placed], found: list[Placed], problems: list[str]) -> None:
    with pytest.raises(CorpusError) as error:
        match(gold, found)
    assert str(error.value) == "\n  ".join([f"{len(problems)} wrong", *problems]) + f"\n{ADVICE}"
