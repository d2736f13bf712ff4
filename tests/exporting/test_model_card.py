import copy
from typing import Any

import pytest
from huggingface_hub import ModelCard

from clue_ner.exporting import model_card as card

RATES = {"precision": 0.75, "recall": 0.6, "f1": 0.6667, "f1_ci95": [0.6, 0.7]}
SCORES: dict[str, Any] = {
    "split": "test",
    "micro": {**RATES, "per_type": {"name": {**RATES, "support": 7}, "a|b": {**RATES, "support": 3}}},
    "lenient": {**RATES, "f1": 0.7, "per_type": {}},
    "official": {"macro_f1": 0.71, "f1_ci95": [0.65, 0.76], "per_type": {}},
    "sentences": 12,
    "entities": 10,
}
TAGGER: dict[str, Any] = {
    "head": "softmax",
    "align": "characters",
    "scheme": "BIO",
    "types": ["a|b", "name"],
    "window": 128,
    "overlap": 32,
    "trained": {
        "fingerprint": "f" * 64,
        "corpus": {"name": "sample", "fingerprint": "c" * 64, "licence": "MIT, as the project"},
        "backbone": {"kind": "hub", "name": "org/bert", "revision": "abc", "sha256": "d" * 64, "licence": "mit"},
        "params": {"seed": 3, "backbone": {"name": "org/bert"}, "train": {"lr": 2e-4, "precision": "auto"}},
    },
}
CORPUS: dict[str, Any] = {
    "name": "sample",
    "description": "Sentences to try the pipeline on",
    "splits": {"train": {"sentences": 80, "entities": 99, "fingerprint": "e" * 64}},
}
TRAIN: dict[str, Any] = {"epochs": [{}, {}, {}], "best_epoch": 2, "valid_micro_f1": 0.625}
PARITY: dict[str, Any] = {
    "sentences": 12,
    "threads": 2,
    "formats": {
        "torch": {"bytes": 4_100_000, "micro_f1": 0.6667, "tokens_per_second": 900},
        "onnx": {
            "bytes": 4_200_000,
            "micro_f1": 0.6667,
            "tokens_per_second": 950,
            "logit_difference": 0.0000123,
            "ok": True,
        },
        "int8": {"bytes": 1_100_000, "micro_f1": 0.64, "tokens_per_second": 1800, "logit_difference": 0.3, "ok": False},
        "transformers": {"bytes": 4_300_000, "same_entities": 0.75, "ok": False},
    },
}


def test_card_front_matter_is_read_by_the_hubs_own_client() -> None:
    data = ModelCard(card.render(TAGGER, CORPUS, TRAIN, SCORES, PARITY, None)).data
    assert (data.language, data.license, data.base_model) == ("zh", "mit", "org/bert")
    assert data.pipeline_tag == "token-classification"
    assert {"token-classification", "named-entity-recognition"} <= set(data.tags)
    results = {result.metric_name: (result.metric_value, result.dataset_split) for result in data.eval_results}
    assert results["micro F1"] == (0.6667, "test")
    assert (results["lenient F1"][0], results["official macro F1"][0]) == (0.7, 0.71)


def test_card_holds_scores_params_data_and_formats() -> None:
    text = card.render(TAGGER, CORPUS, TRAIN, SCORES, PARITY, None)
    for line in (
        "| micro: exact start, end and type | 75.00 | 60.00 | 66.67 | 60.00 – 70.00 |",
        "| lenient: seqeval's default mode | 75.00 | 60.00 | 70.00 | 60.00 – 70.00 |",
        "| official: sets of surfaces, mean over types |  |  | 71.00 | 65.00 – 76.00 |",
        "| a\\|b | 75.00 | 60.00 | 66.67 | 60.00 – 70.00 | 3 |",
        "| `train.lr` | `0.0002` |",
        "| `seed` | `3` |",
        "| revision | `abc` |",
        "| train | 80 | 99 | `eeeeeeeeeeeeeeee` |",
        "| `tagger/`: safetensors, for `Tagger.load` | 4.1 | 66.67 |  | 900 | yes |",
        "| `onnx/model.onnx`: float32 | 4.2 | 66.67 | 1.2e-05 | 950 | yes |",
        "| `onnx/model.int8.onnx`: dynamic int8 | 1.1 | 64.00 | 0.3 | 1800 | **no** |",
    ):
        assert line in text.splitlines()
    assert "Micro F1 on valid: 62.50." in text
    assert "Epoch 2 of 3 is kept." in text
    assert "same entities in 75.00 % of them" in text
    assert f"`{'c' * 64}`" in text


def test_card_shows_how_to_use_what_is_there() -> None:
    text = card.render(TAGGER, CORPUS, TRAIN, SCORES, PARITY, None)
    assert "Stock transformers reads it as well." in text
    assert 'model="FOLDER/transformers", aggregation_strategy="simple", stride=32)' in text
    assert 'Tagger.load("FOLDER", runtime="int8", threads=2)' in text
    alone = {**PARITY, "formats": {"torch": PARITY["formats"]["torch"]}}
    text = card.render(TAGGER, CORPUS, TRAIN, SCORES, alone, "its head is crf, which stock transformers does not have")
    assert "It needs clue-ner: its head is crf" in text
    assert "pipeline(" not in text
    assert "onnx" not in text


@pytest.mark.parametrize(("licence", "wanted"), [("not stated by its authors", "other"), ("MIT", "mit")])
def test_card_names_one_licence_only_if_data_and_weights_have_the_same(licence: str, wanted: str) -> None:
    tagger = copy.deepcopy(TAGGER)
    tagger["trained"]["corpus"]["licence"] = licence
    text = card.render(tagger, CORPUS, TRAIN, SCORES, PARITY, None)
    assert ModelCard(text).data.license == wanted
    assert f"Licence: {licence}." in text


def test_card_says_whether_entities_may_overlap() -> None:
    changes = ({"head": "crf"}, {"head": "span", "flat": False}, {"head": "span", "flat": True})
    flat, nested, kept = (card.render(TAGGER | each, CORPUS, TRAIN, SCORES, PARITY, None) for each in changes)
    assert "the likeliest is kept" in kept
    assert "do not overlap or nest" in flat
    assert "may overlap" in nested
    assert "do not overlap" not in nested


def test_card_says_that_scores_on_valid_are_not_test_scores() -> None:
    scores, train = {**SCORES, "split": "valid"}, {**TRAIN, "valid_micro_f1": None}
    text = card.render(TAGGER, CORPUS, train, scores, PARITY, None)
    assert "valid also chose the epoch" in text
    assert "Micro F1 on valid" not in text
