"""The network: nothing of a window depends on its neighbours in the batch or on padding."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import ElectraConfig, ElectraModel

from clue_ner.alignment.encode import Report, encode
from clue_ner.core import plugins
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.schemes import SCHEMES
from clue_ner.network.model import (
    INPUTS,
    BiLSTM,
    CharacterContext,
    ModelSpec,
    TaggerModel,
    collate,
    load_encoder,
    new_encoder,
)

HEADS = plugins.names("clue_ner.network.heads")
ALIGNMENTS = ["characters", "pieces", "characters_over_pieces"]
TAGS = tuple(SCHEMES["BIO"].tags(["LOC", "PER"]))
SENTENCES = [
    Sentence("1", "王德发目前住在北京，2000年。", (Entity(0, 3, "PER"), Entity(7, 9, "LOC"))),
    Sentence("2", "我"),
    Sentence("3", "New York公司的经理", (Entity(0, 8, "LOC"),)),
]

every_head = pytest.mark.parametrize("head", HEADS)
every_alignment = pytest.mark.parametrize("align", ALIGNMENTS)


@pytest.fixture
def make(
    backbones: dict[str, Path], make_aligner: Callable[..., Any]
) -> Callable[..., tuple[TaggerModel, list[Any], int]]:
    """A model with random weights, rows of ``SENTENCES`` for it, and the id that pads tokens."""

    def make(head: str, align: str, backbone: str = "unigram") -> tuple[TaggerModel, list[Any], int]:
        torch.manual_seed(0)
        model = TaggerModel(load_encoder(backbones[backbone]), ModelSpec(head, align, "BIO", TAGS, context_size=6))
        aligner = make_aligner(backbone, align)
        rows = list(encode(SENTENCES, aligner, SCHEMES["BIO"], TAGS, Report()))
        return model.eval(), rows, aligner.tokenizer.pad_token_id

    return make


def logits_of(model: TaggerModel, batch: dict[str, Tensor]) -> Tensor:
    return model(**{name: batch[name] for name in INPUTS})


@every_head
@every_alignment
@pytest.mark.parametrize("backbone", ["unigram", "wordpiece"])
def test_model_is_not_changed_by_padding_or_a_neighbour(make: Any, head: str, align: str, backbone: str) -> None:
    model, rows, pad = make(head, align, backbone)
    batch = collate(rows, pad)
    logits = logits_of(model, batch)
    counted = model.head.counted(batch["unit_mask"]).expand_as(logits)
    decoded = model.head.decode(logits, batch["unit_mask"])
    for number, row in enumerate(rows):
        alone = collate([row], pad)
        expected = logits_of(model, alone)
        every = model.head.counted(alone["unit_mask"]).expand_as(expected)
        torch.testing.assert_close(logits[number][counted[number]], expected[every], atol=1e-5, rtol=1e-4)
        same, found = model.head.decode(expected, alone["unit_mask"])[0].entities, decoded[number].entities
        assert [entity[:3] for entity in same] == [entity[:3] for entity in found]
    turned = logits_of(model, collate(rows[::-1], pad)).flip(0)
    torch.testing.assert_close(turned[counted], logits[counted], atol=1e-5, rtol=1e-4)


@every_head
@every_alignment
def test_model_gradients_are_finite_and_reach_every_parameter(make: Any, head: str, align: str) -> None:
    model, rows, pad = make(head, align)
    batch = collate(rows, pad, model.head.spec.types)
    model.train()
    model.head.loss(logits_of(model, batch), batch).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


@every_head
@every_alignment
def test_model_is_the_same_after_its_state_was_loaded(
    make: Any, backbones: dict[str, Path], head: str, align: str
) -> None:
    model, rows, pad = make(head, align)
    torch.manual_seed(1)
    other = TaggerModel(new_encoder(backbones["unigram"]), ModelSpec(head, align, "BIO", TAGS, context_size=6)).eval()
    batch = collate(rows, pad)
    assert not torch.equal(logits_of(other, batch), logits_of(model, batch))
    other.load_state_dict(model.state_dict())
    assert torch.equal(logits_of(other, batch), logits_of(model, batch))


def test_model_names_what_was_pretrained(make: Any) -> None:
    model, _, _ = make("crf", "characters_over_pieces")
    names = {name for name, _ in model.named_parameters()}
    pretrained = model.encoder_parameters()
    assert {f"encoder.{name}" for name, _ in model.encoder.named_parameters()} == pretrained
    assert {name.split(".")[0] for name in names - pretrained} == {"characters", "head"}


def test_model_characters_over_pieces_tells_characters_of_a_piece_apart(make: Any) -> None:
    model, rows, pad = make("softmax", "characters_over_pieces")
    starts, tokens = rows[0]["unit_starts"], rows[0]["unit_tokens"]
    at = [u for u, start in enumerate(starts) if 7 <= start < 9]
    assert len({tokens[u] for u in at}) == 1  # 北京 is one piece
    logits = logits_of(model, collate(rows[:1], pad))[0]
    assert not torch.allclose(logits[at[0]], logits[at[1]], atol=1e-3)


def test_model_without_context_adds_no_lstm(backbones: dict[str, Path]) -> None:
    model = TaggerModel(
        load_encoder(backbones["unigram"]), ModelSpec("softmax", "characters_over_pieces", "BIO", TAGS, context_size=0)
    )
    assert isinstance(model.characters, CharacterContext)
    assert model.characters.context is None


def test_model_widens_character_embeddings_that_are_narrower_than_the_states() -> None:
    config = ElectraConfig(
        vocab_size=20,
        embedding_size=8,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    model = TaggerModel(ElectraModel(config), ModelSpec("crf", "characters_over_pieces", "BIO", TAGS, context_size=4))
    row = {"input_ids": [1, 2, 3], **{name: [0, 1] for name in INPUTS if name.startswith("unit_")}}
    assert logits_of(model, collate([row], pad_id=0)).shape == (1, 2, len(TAGS))


def test_model_bilstm_equals_torch_s_own() -> None:
    torch.manual_seed(0)
    own, reference = BiLSTM(8, 5), torch.nn.LSTM(8, 5, batch_first=True, bidirectional=True)
    for name, parameter in own.forwards.named_parameters():
        reference.get_parameter(name).data.copy_(parameter)
    for name, parameter in own.backwards.named_parameters():
        reference.get_parameter(f"{name}_reverse").data.copy_(parameter)
    lengths = torch.tensor([7, 1, 4])
    units, mask = torch.randn(3, 7, 8), torch.arange(7) < lengths[:, None]
    packed = torch.nn.utils.rnn.pack_padded_sequence(units, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = torch.nn.utils.rnn.pad_packed_sequence(reference(packed)[0], batch_first=True)
    torch.testing.assert_close(own(units, mask)[mask], own.project(expected)[mask])


def test_model_encoder_takes_overrides_and_drops_the_pooler(backbones: dict[str, Path]) -> None:
    encoder = load_encoder(backbones["wordpiece"], hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.2)
    assert (encoder.config.hidden_dropout_prob, encoder.config.attention_probs_dropout_prob) == (0.3, 0.2)
    assert encoder.pooler is None
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}
    assert set(new_encoder(backbones["wordpiece"]).state_dict()) == set(encoder.state_dict())


def test_model_collate_pads_tokens_and_units_apart() -> None:
    columns = {"unit_characters": [7, 8, 9], "unit_places": [0, 1, 0], "unit_lengths": [1, 1, 0]}
    long = {"input_ids": [2, 5, 6, 3], "unit_tokens": [1, 1, 2], **columns, "labels": [1, 2, 0], "sentence": 4}
    short = {"input_ids": [2, 5, 6, 6, 3], "unit_tokens": [1], "unit_characters": [7], "unit_places": [0]}
    batch = collate([long, {**short, "unit_lengths": [0], "labels": [3]}], pad_id=1)
    assert batch["input_ids"].tolist() == [[2, 5, 6, 3, 1], [2, 5, 6, 6, 3]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]
    assert batch["unit_tokens"].tolist() == [[1, 1, 2], [1, 0, 0]]
    assert batch["unit_mask"].tolist() == [[True, True, True], [True, False, False]]
    assert batch["labels"].tolist() == [[1, 2, 0], [3, 0, 0]]
    assert set(batch) == {*INPUTS, "labels"}
    long["entities"], short["entities"] = [], [{"start": 0, "end": 1, "type": "PER"}]
    batch = collate([long, {**short, "unit_lengths": [0]} | {"labels": [3]}], 1, ("LOC", "PER"))
    assert batch["entities"].tolist() == [[[-1, -1, -1]], [[0, 1, 1]]]
    assert collate([long], 1, ("LOC", "PER"))["entities"].shape == (1, 0, 3)
    del long["labels"]
    assert set(collate([long], pad_id=1)) == set(INPUTS)
