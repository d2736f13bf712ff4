import pytest

from clue_ner.common.errors import CorpusError
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.params import CorpusParams
from clue_ner.corpora import measure, sample

TYPES = ["address", "book", "company", "game", "government", "movie", "name", "organization", "position", "scene"]


@pytest.fixture(scope="module")
def corpus():
    return sample.load(CorpusParams(name="sample", path=None, options={}, valid_fraction=0.1, split_seed=0))


def test_sample_has_enough_of_everything(corpus):
    counts = measure(corpus)["splits"]
    assert (counts["train"]["sentences"], counts["test"]["sentences"]) == (761, 189)
    for split in counts.values():
        assert list(split["per_type"]) == TYPES
        assert split["overlapping_pairs"] == 0
        assert split["without_entities"] >= 10
    assert min(counts["train"]["per_type"][t] + counts["test"]["per_type"][t] for t in TYPES) >= 100
    assert min(counts["test"]["per_type"].values()) >= 15


def test_sample_has_no_text_twice_and_no_stray_whitespace(corpus):
    texts = [sentence.text for sentences in corpus.splits.values() for sentence in sentences]
    assert len(set(texts)) == len(texts)
    assert [text for text in texts if text != text.strip()] == []


def test_sample_has_the_characters_that_are_hard(corpus):
    everything = "".join(sentence.text for sentences in corpus.splits.values() for sentence in sentences)
    for wanted in ("《", " ", "·", "“", "%", "℃", "㎡", "１", "Ａ", "a", "7", "😂"):
        assert wanted in everything


def test_sample_parse_reads_marks_side_by_side():
    assert sample.parse("去[东湖|scene][楚天台|scene]。", "x") == Sentence(
        "x", "去东湖楚天台。", (Entity(1, 3, "scene"), Entity(3, 6, "scene"))
    )


@pytest.mark.parametrize(
    "line", ["", "去[东湖|scene", "去[东湖|]", "去[[东湖|scene]边|scene]", "去[东湖 |Scene]", "a|b", "]"]
)
def test_sample_parse_refuses_what_is_no_mark(line):
    with pytest.raises(CorpusError, match=r"sample x: found .*wanted text with marks"):
        sample.parse(line, "x")
