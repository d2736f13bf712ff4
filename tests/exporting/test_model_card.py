from typing import Any

import pytest
from huggingface_hub import ModelCard
from jinja2 import UndefinedError
from support.cards import CORPUS, SCORES, TAGGER, TRAIN

from clue_ner.exporting import model_card
from clue_ner.tagger.config import TaggerConfig, TaggerRecord
from clue_ner.tagger.model_files import GRAPHS

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


def with_corpus(**changes: str) -> TaggerConfig:
    """TAGGER, of a corpus that is recorded otherwise."""
    corpus = TAGGER.trained.corpus.model_copy(update=changes)
    return TAGGER.model_copy(update={"trained": TAGGER.trained.model_copy(update={"corpus": corpus})})


def test_card_front_matter_is_read_by_the_hubs_own_client() -> None:
    data = ModelCard(model_card.render(TAGGER, CORPUS, TRAIN, SCORES, PARITY, None)).data
    assert (data.language, data.license, data.base_model) == ("zh", "mit", "org/bert")
    assert data.pipeline_tag == "token-classification"
    assert {"token-classification", "named-entity-recognition"} <= set(data.tags)
    results = {result.metric_name: (result.metric_value, result.dataset_split) for result in data.eval_results}
    assert results["micro F1"] == (0.6667, "test")
    assert (results["lenient F1"][0], results["official macro F1"][0]) == (0.7, 0.71)


def test_card_holds_scores_params_data_and_formats() -> None:
    text = model_card.render(TAGGER, CORPUS, TRAIN, SCORES, PARITY, None)
    for line in (
        "| micro: exact start, end and type | 75.00 | 60.00 | 66.67 | 60.00 – 70.00 |",
        "| lenient: seqeval's default mode | 75.00 | 60.00 | 70.00 | 60.00 – 70.00 |",
        "| official: sets of surfaces, mean over types |  |  | 71.00 | 65.00 – 76.00 |",
        "| a\\|b | 75.00 | 60.00 | 66.67 | 60.00 – 70.00 | 3 |",
        "| `train.lr` | `0.0002` |",
        "| `seed` | `3` |",
        "| `train.class_weights` | `{'a\\|b': 2}` |",
        "| revision | `abc` |",
        "| train | 80 | 99 | `eeeeeeeeeeeeeeee` |",
        "| valid | 20 | 21 | `aaaaaaaaaaaaaaaa` |",
        "| test | 12 | 10 | `9999999999999999` |",
        "| `tagger/`: safetensors, for `Tagger.load` | 4.1 | 66.67 |  | 900 | yes |",
        "| `onnx/model.onnx`: float32 | 4.2 | 66.67 | 1.2e-05 | 950 | yes |",
        "| `onnx/model.int8.onnx`: int8 | 1.1 | 64.00 | 0.3 | 1800 | **no** |",
        "| `transformers/`: for stock transformers | 4.3 |  |  |  | **no** |",
    ):
        assert line in text.splitlines()
    assert "Micro F1 on valid: 62.50." in text
    assert "Epoch 2 of 3 is kept." in text
    assert "same entities in 75.00 % of them" in text
    assert f"train and valid `{'c' * 64}`" in text
    assert f"all splits `{'b' * 64}`" in text
    assert all(f"`onnx/{file}`" in text for file in GRAPHS.values())


def test_card_shows_how_to_use_what_is_there() -> None:
    text = model_card.render(TAGGER, CORPUS, TRAIN, SCORES, PARITY, None)
    assert "Stock transformers reads it as well." in text
    assert 'model="FOLDER/transformers", aggregation_strategy="simple", stride=32)' in text
    assert 'Tagger.load("FOLDER", runtime="int8", threads=2)' in text
    only_torch = {**PARITY, "formats": {"torch": PARITY["formats"]["torch"]}}
    text = model_card.render(
        TAGGER, CORPUS, TRAIN, SCORES, only_torch, "its head is crf, which stock transformers does not have"
    )
    assert "It needs clue-ner: its head is crf" in text
    assert "pipeline(" not in text
    assert "onnx" not in text


@pytest.mark.parametrize(("licence", "wanted"), [("not stated by its authors", "other"), ("MIT", "mit")])
def test_card_names_one_licence_only_if_data_and_weights_have_the_same(licence: str, wanted: str) -> None:
    text = model_card.render(with_corpus(licence=licence), CORPUS, TRAIN, SCORES, PARITY, None)
    assert ModelCard(text).data.license == wanted
    assert f"Licence: {licence}." in text


def test_card_of_a_model_of_format_1_names_the_one_fingerprint_that_it_has() -> None:
    config = with_corpus(splits="all", fingerprint=CORPUS["fingerprint_all"])
    text = model_card.render(config, CORPUS, TRAIN, SCORES, PARITY, None)
    assert f"Fingerprints of the content: all splits `{CORPUS['fingerprint_all']}`." in text
    assert "train and valid" not in text


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ({"head": "crf"}, "Entities do not overlap or nest: of two that do, training saw the longer one."),
        ({"head": "span", "flat": True}, "Entities do not overlap or nest: of those that do, the likeliest is kept."),
        ({"head": "span", "flat": False}, "Entities may overlap"),
    ],
)
def test_card_says_whether_entities_may_overlap(change: dict[str, Any], wanted: str) -> None:
    text = model_card.render(TAGGER.model_copy(update=change), CORPUS, TRAIN, SCORES, PARITY, None)
    (line,) = (line for line in text.splitlines() if line.startswith("- Entities"))
    assert line.startswith(f"- {wanted}")


def test_card_lists_the_warnings() -> None:
    assert "Warnings" not in model_card.render(TAGGER, CORPUS, TRAIN, SCORES, PARITY, None)
    scores = {**SCORES, "warnings": {"count": 2, "texts": ["test: leaks", "valid: no entity"]}}
    lines = model_card.render(TAGGER, CORPUS, TRAIN, scores, PARITY, None).splitlines()
    at = lines.index("Warnings of the data and the scores:")
    assert lines[at + 1 : at + 4] == ["", "- test: leaks", "- valid: no entity"]


def test_card_names_the_taggers_that_training_began_with() -> None:
    plain = model_card.render(TAGGER, CORPUS, TRAIN, SCORES, PARITY, None)
    assert "It began with" not in plain
    assert "It learned from" not in plain
    start = TaggerRecord(name="models:/x@champion", resolved="models:/x/1", fingerprint="2" * 64, checksums={})
    trained = TAGGER.trained.model_copy(
        update={"init_from": start, "teacher": TaggerRecord(name="../big", checksums={})}
    )
    text = model_card.render(TAGGER.model_copy(update={"trained": trained}), CORPUS, TRAIN, SCORES, PARITY, None)
    lines = text.splitlines()
    at = lines.index(f"It began with the weights of `models:/x/1` (training `{'2' * 64}`).")
    assert lines[at + 1 : at + 4] == ["It learned from the logits of `../big`.", "", "| param | value |"]
    assert [line for line in lines if line not in lines[at : at + 2]] == plain.splitlines()


def test_card_says_that_scores_on_valid_are_not_test_scores() -> None:
    scores, train = {**SCORES, "split": "valid"}, {**TRAIN, "valid_micro_f1": None}
    text = model_card.render(TAGGER, CORPUS, train, scores, PARITY, None)
    assert "valid also chose the epoch" in text
    assert "Micro F1 on valid" not in text


def test_card_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "pass|phrase")
    params = TAGGER.trained.params | {"backbone": {"name": "https://me:pass|phrase@hub.example/bert"}}
    backbone = TAGGER.trained.backbone | {"name": "pass|phrase", "revision": "hf_abcdefghijklmnop"}
    trained = TAGGER.trained.model_copy(update={"params": params, "backbone": backbone})
    config = TAGGER.model_copy(update={"trained": trained})
    corpus = {**CORPUS, "description": "From https://me:word@example.org/corpus"}
    text = model_card.render(config, corpus, TRAIN, SCORES, PARITY, None)
    assert not any(secret in text for secret in ("pass", "phrase", "hf_abc", "me:word"))
    assert "| name | `***` |" in text.splitlines()
    assert "https://***@hub.example/bert" in text


def test_card_is_not_written_with_a_gap_where_a_number_is_missing() -> None:
    train = {name: value for name, value in TRAIN.items() if name != "best_epoch"}
    with pytest.raises(UndefinedError, match="best_epoch"):
        model_card.render(TAGGER, CORPUS, train, SCORES, PARITY, None)
