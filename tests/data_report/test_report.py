"""The report as a whole, and what it warns of."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from support.sentences import marked, marked_all

from clue_ner.core.entities import Sentence
from clue_ner.core.params import CorpusParams
from clue_ner.corpora import Corpus, load_corpus
from clue_ner.data_report import report as module
from clue_ner.data_report.losses import Alignments
from clue_ner.data_report.report import report


def corpus(**splits: list[Sentence]) -> Corpus:
    return Corpus("mine", splits, "", "")


def warnings_of(**splits: list[Sentence]) -> list[str]:
    """What is said beyond what the stage download says, for splits that are large enough."""
    found = report(corpus(**splits), "no tokenizer", 3)["warnings"]
    return [
        line for line in found if not any(said in line for said in ("fewer than", ": only", "no entity", "offsets: "))
    ]


def test_report_of_the_sample_corpus_is_json_with_all_that_it_promises(make_aligner: Callable[..., Any]) -> None:
    sample = load_corpus(CorpusParams(name="sample", path=None, valid_fraction=0.0, split_seed=0))
    aligner = make_aligner("unigram", "pieces")
    found = report(sample, Alignments("tiny", "pieces", 256, {"pieces": aligner}, {}), 2)
    assert json.loads(json.dumps(found)) == found
    assert {name: split["sentences"] for name, split in found["splits"].items()} == {"train": 761, "test": 189}
    train, test = found["splits"].values()
    assert (
        sum(train["per_type"].values())
        == train["entities"]
        == found["alignment"]["alignments"]["pieces"]["train"]["entities"]
    )
    assert test["unseen"]["entities"] == test["entities"]
    assert "unseen" not in train
    assert all(len(split["several_types"]["examples"]) <= 2 for split in (train, test))
    assert found["warnings"] == [line for line in found["warnings"] if isinstance(line, str)]


def test_report_without_a_tokenizer_says_why() -> None:
    found = report(corpus(train=marked_all("{李雷|name}")), "no backbone", 1)
    assert found["alignment"] == {"skipped": "no backbone"}


def test_report_of_unlabelled_texts_has_lengths_and_characters_only() -> None:
    found = report(corpus(train=marked_all("{李雷|name}"), unlabelled=[Sentence("1", "好\0")]), "none", 1)
    unlabelled = found["splits"]["unlabelled"]
    assert unlabelled["text_lengths"]["max"] == 2
    assert unlabelled["odd_characters"]["nul"]["texts"] == 1
    assert "half_pairs" not in unlabelled
    assert any(line.startswith("unlabelled: 1 texts have 1 nul characters (U+0000)") for line in found["warnings"])


def test_report_warns_of_types_and_splits_that_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEW", {"train": 3, "test": 1})
    train = marked_all("{李雷|name}{上海|address}", "{李|name}", "{雷|name}")
    lines = report(corpus(train=train, test=marked_all("{李雷|name}{上海|address}")), "none", 1)["warnings"]
    assert [line for line in lines if "fewer" in line] == [
        "train: fewer than 3 entities of address (1): they are hardly learned; label more of them"
    ]
    assert "test: only 1 sentences, so scores on it are uncertain; label more" in lines


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{《红楼|book}梦》", "have a bracket or quote without its partner"),
        ("{上海，|address}", "begin or end with a punctuation mark"),
        ("{上海 |address}", "begin or end with a space"),
        ("{iPho|product}ne", "begin or end inside a word or number"),
    ],
)
def test_report_warns_of_spans_that_look_cut(text: str, what: str) -> None:
    right = [marked("{李雷|name}在", str(i)) for i in range(98)]
    (line,) = warnings_of(train=[*right, marked(text, "98"), marked(text, "99")])
    assert line == f"train: 2 of 100 entities (2.0%) {what}; look at the examples"
    assert warnings_of(train=[*right, marked("{李雷|name}", "98"), marked(text, "99")]) == []


def test_report_warns_of_labels_that_contradict() -> None:
    train = marked_all("{上海|address}好", "{上海|name}好")
    lines = warnings_of(train=train)
    assert lines == [
        "train: 2 of 2 entities (100.0%) have a surface that is labelled with another type elsewhere; "
        "look at the examples",
        "1 texts occur in several sentences with different labels; make the labels the same",
    ]


def test_report_warns_of_texts_that_are_nearly_in_train() -> None:
    (line,) = warnings_of(train=marked_all("{李雷|name}在。"), test=marked_all("{李雷|name}在！"))
    assert line.startswith("test: 1 of 1 sentences differ from one of an earlier split only in width")
