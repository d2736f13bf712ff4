import pytest

from clue_ner.common.errors import UnknownNameError
from clue_ner.core.params import CorpusParams
from clue_ner.corpora import load_corpus


def jsonl(folder, fraction=0.5, **splits):
    for name, texts in splits.items():
        lines = (f'{{"text": "{text}", "entities": [{{"type": "t", "start": 0, "end": 1}}]}}' for text in texts)
        (folder / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return load_corpus(CorpusParams(name="jsonl", path=str(folder), options={}, valid_fraction=fraction, split_seed=0))


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
    params = CorpusParams.model_construct(name="msra", path=None, options={}, valid_fraction=0.1, split_seed=0)
    with pytest.raises(UnknownNameError, match=r"unknown corpus 'msra': there are cluener, sample$"):
        load_corpus(params)
