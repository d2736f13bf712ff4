import hashlib

import pytest

from clue_ner.core.entities import Entity, Sentence, fingerprint
from clue_ner.corpora import Corpus, describe, measure
from clue_ner.corpora._warnings import warnings_of

SPLITS = {
    "train": [
        Sentence("0", "李雷😀", (Entity(0, 2, "name"), Entity(1, 3, "odd"))),
        Sentence("1", "空"),
        Sentence("2", "李雷"),
    ],
    "valid": [Sentence("0", "空"), Sentence("1", "新", (Entity(0, 1, "rare"),))],
    "test": [Sentence("0", "李雷", (Entity(0, 2, "name"),)), Sentence("1", "新"), Sentence("2", "南")],
    "unlabelled": [Sentence("0", "空")],
}
MINE = Corpus("mine", SPLITS, "free", "words")


def of_all(*splits):
    """As docs/data.md has it: SHA-256 over a line of name and fingerprint for each."""
    return hashlib.sha256("".join(f"{name} {fingerprint(SPLITS[name])}\n" for name in splits).encode()).hexdigest()


def test_describe_gives_types_sizes_and_fingerprints_of_the_splits_that_are_named():
    assert describe(MINE, "train", "valid") == {
        "name": "mine",
        "licence": "free",
        "description": "words",
        "types": ["name", "odd", "rare"],
        "splits": {
            "train": {
                "sentences": 3,
                "entities": 2,
                "overlapping_pairs": 1,
                "fingerprint": fingerprint(SPLITS["train"]),
            },
            "valid": {
                "sentences": 2,
                "entities": 1,
                "overlapping_pairs": 0,
                "fingerprint": fingerprint(SPLITS["valid"]),
            },
        },
        "fingerprint": of_all("train", "valid"),
    }


def test_describe_counts_the_unlabelled_split_and_leaves_it_out_of_the_fingerprint():
    described = describe(MINE, "test", "unlabelled")
    assert described["types"] == ["name"]
    assert described["splits"]["unlabelled"]["sentences"] == 1
    assert described["fingerprint"] == of_all("test")


def test_describe_leaves_out_splits_that_are_not_there():
    described = describe(Corpus("mine", {"train": SPLITS["train"]}, "", ""), "test", "unlabelled")
    assert (described["types"], described["splits"], described["fingerprint"]) == ([], {}, of_all())


@pytest.mark.parametrize("split", ["train", "valid"])
def test_describe_fingerprint_depends_on_every_split_that_is_named(split):
    changed = Corpus("mine", {**SPLITS, split: SPLITS[split][:-1]}, "", "")
    assert describe(changed, "train", "valid")["fingerprint"] != of_all("train", "valid")
    assert describe(changed, "test")["fingerprint"] == of_all("test")


def test_measure_counts_each_split():
    found = measure(MINE)["splits"]
    assert list(found) == list(SPLITS)
    assert found["train"] == {
        "sentences": 3,
        "entities": 2,
        "characters": 6,
        "longest": 3,
        "without_entities": 2,
        "overlapping_pairs": 1,
        "per_type": {"name": 1, "odd": 1},
    }
    assert found["unlabelled"]["per_type"] == {}


def test_measure_counts_an_empty_split():
    found = measure(Corpus("mine", {**SPLITS, "unlabelled": []}, "", ""))["splits"]["unlabelled"]
    assert (found["sentences"], found["characters"], found["longest"]) == (0, 0, 0)


def test_measure_counts_what_valid_and_test_share_with_the_splits_before():
    assert measure(MINE)["leaks"] == {"valid": 1, "test": 2}
    assert measure(Corpus("mine", {"train": SPLITS["train"]}, "", ""))["leaks"] == {}


def test_measure_has_the_warnings():
    assert measure(MINE)["warnings"] == warnings_of(MINE) != []
