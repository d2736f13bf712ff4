import pytest

from clue_ner.common.errors import UnknownNameError
from clue_ner.core.entities import Entity, Sentence, fingerprint
from clue_ner.core.params import CorpusParams
from clue_ner.corpora import Corpus, describe, load_corpus, measure


def jsonl(folder, fraction=0.5, **splits):
    for name, texts in splits.items():
        lines = (f'{{"text": "{text}", "entities": [{{"type": "t", "start": 0, "end": 1}}]}}' for text in texts)
        (folder / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return load_corpus(CorpusParams(name="jsonl", path=str(folder), valid_fraction=fraction, split_seed=0))


def test_load_corpus_takes_valid_from_train(tmp_path):
    splits = jsonl(tmp_path, train="一二三四", test="五").splits
    assert {name: len(sentences) for name, sentences in splits.items()} == {"train": 2, "valid": 2, "test": 1}
    assert list(splits) == ["train", "valid", "test"]
    assert {sentence.id for sentence in splits["train"] + splits["valid"]} == {f"train-{i}" for i in range(4)}


def test_load_corpus_leaves_a_valid_that_is_there(tmp_path):
    splits = jsonl(tmp_path, train="一二三四", valid="五").splits
    assert {name: len(sentences) for name, sentences in splits.items()} == {"train": 4, "valid": 1}


def test_load_corpus_takes_no_valid_if_the_fraction_is_zero(tmp_path):
    assert list(jsonl(tmp_path, 0.0, train="一二三四", test="五").splits) == ["train", "test"]


def test_load_corpus_lists_the_corpora_there_are():
    params = CorpusParams.model_construct(name="conll", path=None, valid_fraction=0.1, split_seed=0)
    with pytest.raises(UnknownNameError, match=r"unknown corpus 'conll': there are cluener, jsonl, sample$"):
        load_corpus(params)


SPLITS = {
    "train": [
        Sentence("0", "李雷😀", (Entity(0, 2, "name"), Entity(1, 3, "odd"))),
        Sentence("1", "空"),
        Sentence("2", "李雷"),
    ],
    "valid": [Sentence("0", "空"), Sentence("1", "新")],
    "test": [Sentence("0", "李雷", (Entity(0, 2, "name"),)), Sentence("1", "新"), Sentence("2", "南")],
    "unlabelled": [Sentence("0", "空")],
}


def test_describe_gives_types_sizes_and_fingerprints():
    found = describe(Corpus("mine", SPLITS, "free", "words"))
    assert found.pop("fingerprint") == describe(Corpus("other", {**SPLITS, "unlabelled": []}, "", ""))["fingerprint"]
    assert found == {
        "name": "mine",
        "licence": "free",
        "description": "words",
        "types": ["name", "odd"],
        "splits": {
            "train": {"sentences": 3, "entities": 2, "fingerprint": fingerprint(SPLITS["train"])},
            "valid": {"sentences": 2, "entities": 0, "fingerprint": fingerprint(SPLITS["valid"])},
            "test": {"sentences": 3, "entities": 1, "fingerprint": fingerprint(SPLITS["test"])},
            "unlabelled": {"sentences": 1, "entities": 0, "fingerprint": fingerprint(SPLITS["unlabelled"])},
        },
    }


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_describe_fingerprint_covers_every_labelled_split(split):
    changed = {**SPLITS, split: SPLITS[split][:-1]}
    assert describe(Corpus("", changed, "", ""))["fingerprint"] != describe(Corpus("", SPLITS, "", ""))["fingerprint"]


def test_measure_counts_each_split_and_the_leaks():
    found = measure(Corpus("mine", SPLITS, "", ""))
    assert found["splits"]["train"] == {
        "sentences": 3,
        "entities": 2,
        "characters": 6,
        "longest": 3,
        "without_entities": 2,
        "overlapping_pairs": 1,
        "per_type": {"name": 1, "odd": 1},
    }
    assert list(found["splits"]) == list(SPLITS)
    assert found["leaks"] == {"valid": 1, "test": 2}


def test_measure_without_test_has_no_leaks_of_it():
    assert measure(Corpus("mine", {"train": SPLITS["train"]}, "", ""))["leaks"] == {}
