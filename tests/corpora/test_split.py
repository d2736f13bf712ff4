from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clue_ner.common.errors import CorpusError
from clue_ner.core.entities import Sentence
from clue_ner.corpora._split import split_off


def sentences(texts):
    return [Sentence(str(number), text) for number, text in enumerate(texts)]


def ids(part):
    return [sentence.id for sentence in part]


def test_split_off_draws_the_same_on_every_machine():
    train = sentences(f"第{i}句" for i in range(12))
    parts = split_off(train, {"valid": 0.25}, 7)
    assert ids(parts["valid"]) == ["2", "4", "7"]
    assert ids(parts["train"]) == [str(i) for i in range(12) if i not in (2, 4, 7)]
    both = split_off(train, {"valid": 0.25, "test": 0.1}, 7)
    assert both["valid"] == parts["valid"]
    assert ids(both["test"]) == ["3"]
    assert list(both) == ["train", "valid", "test"]


def test_split_off_depends_on_the_seed_and_not_on_the_order():
    train = sentences(f"第{i}句" for i in range(200))
    drawn = {sentence.text for sentence in split_off(train, {"valid": 0.2}, 0)["valid"]}
    assert {sentence.text for sentence in split_off(train[::-1], {"valid": 0.2}, 0)["valid"]} == drawn
    assert {sentence.text for sentence in split_off(train, {"valid": 0.2}, 1)["valid"]} != drawn


@given(
    st.lists(st.sampled_from("一二三四五六七八九十"), min_size=3).filter(lambda texts: len(set(texts)) > 4),
    st.floats(0.01, 0.5),
    st.floats(0.01, 0.3),
    st.integers(0, 9),
)
def test_split_off_keeps_every_sentence_its_order_and_same_texts_together(texts, valid, test, seed):
    train = sentences(texts)
    fractions = {"valid": valid, "test": test}
    try:
        parts = split_off(train, fractions, seed)
    except CorpusError:
        assert 2 * max(Counter(texts).values()) + len(texts) * (valid + test) + 2 > len(texts)
        return
    assert sorted((s for part in parts.values() for s in part), key=train.index) == train
    for part in parts.values():
        assert [int(s.id) for s in part] == sorted(int(s.id) for s in part)
    all_texts = [{s.text for s in part} for part in parts.values()]
    assert sum(map(len, all_texts)) == len(set.union(*all_texts))
    for name, fraction in fractions.items():
        assert max(1, round(fraction * len(train))) <= len(parts[name]) or name == "test"


@pytest.mark.parametrize(("count", "fraction", "wanted"), [(10, 0.1, 1), (3, 0.01, 1), (16, 0.1, 2), (14, 0.1, 1)])
def test_split_off_rounds_to_the_nearest_and_takes_at_least_one(count, fraction, wanted):
    parts = split_off(sentences(f"第{i}句" for i in range(count)), {"valid": fraction}, 0)
    assert len(parts["valid"]) == wanted


@pytest.mark.parametrize(("texts", "different"), [(["同", "同", "同"], 1), (["同", "异"], 2)])
def test_split_off_refuses_to_take_all_of_train(texts, different):
    with pytest.raises(CorpusError, match=f"{len(texts)} sentences with {different} different texts: too few"):
        split_off(sentences(texts), {"valid": 0.1, "test": 0.1}, 0)
