from pathlib import Path
from typing import Any

import pytest
import torch

from bench.setting import IGNORED, Setting, amounts, facts, stock_model, stock_tokenizer, token_labels
from clue_ner.alignment.encode import Example
from clue_ner.core.entities import Entity, Sentence
from clue_ner.training.inputs import Inputs


@pytest.fixture(scope="module")
def setting(place: Path) -> Setting:
    return Setting(place)


def test_setting_has_the_sentences_of_its_folder(setting: Setting, sentences: list[dict[str, Any]]) -> None:
    for split in (setting.train, setting.valid):
        assert [sentence.text for sentence in split] == [sentence["text"] for sentence in sentences]
    assert setting.characters() == sum(len(sentence["text"]) for sentence in sentences)


def test_config_is_that_of_fine_tune_with_head_and_alignment_changed(setting: Setting) -> None:
    config = setting.config("crf", "pieces")
    assert (config.head, config.align, config.head_options) == ("crf", "pieces", {})
    assert (config.context_size, config.tags) == (8, ("O", "B-name", "I-name"))
    params = setting.params
    same = setting.config(params.train.head, params.tagging.align)
    assert same.head_options == params.train.head_options and same.trained.params == params.of_training()


def test_stock_tokenizer_reads_what_the_aligner_reads(setting: Setting) -> None:
    texts = ["黄飞鸿 NBA2000", "㐀[UNK]１", *(sentence.text for sentence in setting.train)]
    aligner = setting.aligner("characters")
    windows = [window.input_ids for (window,) in aligner.windows(texts)]
    assert stock_tokenizer(aligner)(texts)["input_ids"] == windows


def test_shell_computes_what_the_stock_model_computes(setting: Setting) -> None:
    stock, shell, config = stock_model(setting)
    assert stock.num_labels == len(config.tags)
    ids, places = torch.tensor([[2, 7, 8, 9, 3]]), torch.arange(5)[None]
    with torch.no_grad():
        wanted = stock.eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        nothing = torch.zeros_like(ids)
        found = shell.eval()(ids, torch.ones_like(ids), places, nothing, nothing, nothing, torch.ones(1, 5).bool())
    torch.testing.assert_close(found, wanted)


def test_examples_of_some_sentences_have_their_entities_as_labels(setting: Setting) -> None:
    sentence = Sentence("1", "在北京，黄飞鸿", (Entity(4, 7, "name"),))
    (example,) = setting.examples(setting.aligner("characters"), [sentence])
    outside, begins, inside = range(3)
    assert example.labels == [outside] * 4 + [begins, inside, inside]


def test_token_labels_leave_out_tokens_that_are_no_unit() -> None:
    row = Example(
        input_ids=[101, 7, 8, 9, 102],
        unit_tokens=[1, 3],
        unit_characters=[0, 0],
        unit_places=[0, 0],
        unit_lengths=[0, 0],
        labels=[4, 5],
        entities=[],
    )
    assert token_labels(row) == [IGNORED, 4, IGNORED, 5, IGNORED]


def test_amounts_count_characters_by_labels_or_by_units() -> None:
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    labels = torch.tensor([[IGNORED, 0, 1, IGNORED], [IGNORED, 2, IGNORED, IGNORED]])
    assert amounts({"attention_mask": mask, "labels": labels}) == {
        "characters": 3,
        "tokens": 7,
        "padded_tokens": 8,
        "padded_units": 8,
    }
    units = torch.tensor([[True, True, True], [True, False, False]])
    found = amounts({"attention_mask": mask, "labels": labels, "unit_mask": units}, per_unit=1.5)
    assert (found["characters"], found["padded_units"]) == (6, 6)


def test_facts_count_matrices_of_tokens_and_units(setting: Setting) -> None:
    stock, _, config = stock_model(setting)
    hidden, intermediate = 32, 64
    layer = 4 * hidden**2 + 2 * hidden * intermediate
    counted = facts(stock, "float32")
    assert counted["token_flops"] == 6 * 2 * layer
    assert counted["unit_flops"] == 6 * hidden * len(config.tags)
    for parameter in stock.base_model.encoder.layer[0].parameters():
        parameter.requires_grad_(False)
    assert facts(stock, "float32")["token_flops"] == (2 + 6) * layer


def test_inputs_are_those_that_fine_tune_reads(setting: Setting, place: Path) -> None:
    from support.code import link_code

    if not (place / "dvc.yaml").exists():
        link_code(place)
    theirs = Inputs.read(place)
    for name in ("corpus", "tags", "source", "backbone", "corpus_folder", "encoded"):
        assert getattr(setting.inputs, name) == getattr(theirs, name), name
