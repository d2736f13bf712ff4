"""The network: nothing of a window depends on its neighbours in the batch or on padding."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.configs import tagger_config
from support.heads import decoder_for
from torch import Tensor
from transformers import ElectraConfig, ElectraModel

from clue_ner.alignment.batch import collate
from clue_ner.alignment.encode import Example, Report, collate_examples, encode
from clue_ner.alignment.windows import INPUTS, UNIT_COLUMNS, Row
from clue_ner.core import plugins
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.schemes import SCHEMES
from clue_ner.network.encoder import load_encoder, new_encoder
from clue_ner.network.model import TaggerModel
from clue_ner.network.units import CharacterContext

HEADS = plugins.names(plugins.HEADS)
ALIGNMENTS = ["characters", "pieces", "characters_over_pieces"]
TYPES = ["LOC", "PER"]
TAGS = tuple(SCHEMES["BIO"].tags(TYPES))
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
) -> Callable[..., tuple[TaggerModel, list[Example], int]]:
    """A model with random weights, examples of ``SENTENCES`` for it, and the id that pads tokens."""

    def make(head: str, align: str, backbone: str = "unigram") -> tuple[TaggerModel, list[Example], int]:
        torch.manual_seed(0)
        config = tagger_config(TYPES, head=head, align=align, context_size=6)
        model = TaggerModel(load_encoder(backbones[backbone]), config)
        aligner = make_aligner(backbone, align)
        examples = list(encode(SENTENCES, aligner, SCHEMES["BIO"], TAGS, Report()))
        return model.eval(), examples, aligner.tokenizer.pad_id

    return make


def batch_of(examples: list[Example], pad: int) -> dict[str, Tensor]:
    return {name: torch.from_numpy(values) for name, values in collate_examples(examples, pad).items()}


def logits_of(model: TaggerModel, batch: dict[str, Tensor]) -> Tensor:
    logits: Tensor = model(**{name: batch[name] for name in INPUTS})
    return logits


def names_of(model: TaggerModel, logits: Tensor, batch: dict[str, Tensor]) -> list[list[tuple[int, int, str]]]:
    """The entities that are decoded from each window, without their scores."""
    decoded = decoder_for(model.head).decode(logits.detach().numpy(), batch["unit_mask"].sum(-1).numpy())
    return [[entity[:3] for entity in window.entities] for window in decoded]


@every_head
@every_alignment
@pytest.mark.parametrize("backbone", ["unigram", "wordpiece"])
def test_model_is_not_changed_by_padding_or_a_neighbour(make: Any, head: str, align: str, backbone: str) -> None:
    model, examples, pad = make(head, align, backbone)
    batch = batch_of(examples, pad)
    logits = logits_of(model, batch)
    valid = model.head.valid_mask(batch["unit_mask"]).expand_as(logits)
    decoded = names_of(model, logits, batch)
    for number, example in enumerate(examples):
        alone = batch_of([example], pad)
        expected = logits_of(model, alone)
        every = model.head.valid_mask(alone["unit_mask"]).expand_as(expected)
        torch.testing.assert_close(logits[number][valid[number]], expected[every], atol=1e-5, rtol=1e-4)
        assert names_of(model, expected, alone) == [decoded[number]]
    turned = logits_of(model, batch_of(examples[::-1], pad)).flip(0)
    torch.testing.assert_close(turned[valid], logits[valid], atol=1e-5, rtol=1e-4)


@every_head
@every_alignment
def test_model_gradients_are_finite_and_reach_every_parameter(make: Any, head: str, align: str) -> None:
    model, examples, pad = make(head, align)
    batch = batch_of(examples, pad)
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
    model, examples, pad = make(head, align)
    torch.manual_seed(1)
    config = tagger_config(TYPES, head=head, align=align, context_size=6)
    other = TaggerModel(new_encoder(backbones["unigram"]), config).eval()
    batch = batch_of(examples, pad)
    assert not torch.equal(logits_of(other, batch), logits_of(model, batch))
    other.load_state_dict(model.state_dict())
    assert torch.equal(logits_of(other, batch), logits_of(model, batch))


def test_model_names_what_was_pretrained(make: Any) -> None:
    model, _, _ = make("crf", "characters_over_pieces")
    names = {name for name, _ in model.named_parameters()}
    pretrained = model.encoder_parameters()
    assert {f"encoder.{name}" for name, _ in model.encoder.named_parameters()} == pretrained
    assert {name.split(".")[0] for name in names - pretrained} == {"characters", "head"}


def test_model_characters_over_pieces_distinguishes_the_characters_of_a_piece(
    make: Any, make_aligner: Callable[..., Any]
) -> None:
    model, examples, pad = make("softmax", "characters_over_pieces")
    ((window,),) = make_aligner("unigram", "characters_over_pieces").windows([SENTENCES[0].text])
    at = [u for u, start in enumerate(window.unit_starts) if 7 <= start < 9]
    assert len({examples[0].unit_tokens[u] for u in at}) == 1  # 北京 is one piece
    logits = logits_of(model, batch_of(examples[:1], pad))[0]
    assert not torch.allclose(logits[at[0]], logits[at[1]], atol=1e-3)


def test_model_without_context_adds_no_lstm(backbones: dict[str, Path]) -> None:
    config = tagger_config(TYPES, head="softmax", context_size=0)
    model = TaggerModel(load_encoder(backbones["unigram"]), config)
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
    model = TaggerModel(ElectraModel(config), tagger_config(TYPES, head="crf", context_size=4))
    batch = collate([Row(input_ids=[1, 2, 3], **{name: [0, 1] for name in UNIT_COLUMNS})], pad_id=0)
    tensors = {name: torch.from_numpy(values) for name, values in batch.items()}
    assert logits_of(model, tensors).shape == (1, 2, len(TAGS))
