from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clue_ner.common.errors import CorpusError
from clue_ner.core.entities import Sentence
from clue_ner.corpora._split import split_valid


def sentences(texts):
    return [Sentence(str(number), text) for number, text in enumerate(texts)]


def test_split_valid_draws_the_same_on_every_machine():
    stay, go = split_valid(sentences(f"第{i}句" for i in range(12)), 0.25, 7)
    assert [sentence.id for sentence in go] == ["2", "4", "7"]
    assert [sentence.id for sentence in stay] == [str(i) for i in range(12) if i not in (2, 4, 7)]


def test_split_valid_depends_on_the_seed_and_not_on_the_order():
    train = sentences(f"第{i}句" for i in range(200))
    drawn = {sentence.text for sentence in split_valid(train, 0.2, 0)[1]}
    assert {sentence.text for sentence in split_valid(train[::-1], 0.2, 0)[1]} == drawn
    assert {sentence.text for sentence in split_valid(train, 0.2, 1)[1]} != drawn


@given(
    st.lists(st.sampled_from("一二三四五六七八九十"), min_size=2).filter(lambda texts: len(set(texts)) > 4),
    st.floats(0.01, 0.5),
    st.integers(0, 9),
)
def test_split_valid_keeps_every_sentence_its_order_and_same_texts_together(texts, fraction, seed):
    train = sentences(texts)
    try:
        stay, go = split_valid(train, fraction, seed)
    except CorpusError:
        assert max(Counter(texts).values()) > len(texts) / 2 - 1
        return
    assert sorted(stay + go, key=train.index) == train
    for part in (stay, go):
        assert [int(s.id) for s in part] == sorted(int(s.id) for s in part)
    assert not {s.text for s in stay} & {s.text for s in go}
    assert max(1, round(fraction * len(train))) <= len(go)


@pytest.mark.parametrize(("count", "fraction", "wanted"), [(10, 0.1, 1), (3, 0.01, 1), (16, 0.1, 2), (14, 0.1, 1)])
def test_split_valid_rounds_to_the_nearest_and_takes_at_least_one(count, fraction, wanted):
    assert len(split_valid(sentences(f"第{i}句" for i in range(count)), fraction, 0)[1]) == wanted


def test_split_valid_refuses_to_take_all_of_train():
    with pytest.raises(CorpusError, match="3 sentences with 1 different texts: too few"):
        split_valid(sentences(["同", "同", "同"]), 0.1, 0)
