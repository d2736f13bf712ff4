import pytest

from clue_ner.common.errors import CorpusError
from clue_ner.common.problems import SHOWN, Problems, refuse


def test_problems_shows_the_first_and_counts_the_others() -> None:
    with pytest.raises(CorpusError) as caught:
        refuse((f"line {number}" for number in range(23)), "do this")
    lines = str(caught.value).splitlines()
    assert lines[0] == "23 wrong"
    assert lines[1:-2] == [f"  line {number}" for number in range(SHOWN)]
    assert lines[-2:] == ["  and 3 more", "do this"]
    refuse([], "nothing to do")


def test_problems_of_several_files_keep_their_order_and_number() -> None:
    first, second = Problems(["a"] * 19), Problems(["b"] * 5)
    first.join(second)
    assert (first.count, first.shown) == (24, ["a"] * 19 + ["b"])
