"""The pretrained encoder as transformers builds it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support.architectures import architecture
from torch import nn

from clue_ner.common.errors import BackboneError, ParamsError
from clue_ner.network import trial
from clue_ner.network.encoder import (
    attention_kinds,
    below,
    embeddings_of,
    layers_of,
    load_encoder,
    new_encoder,
)


def test_encoder_takes_overrides_and_drops_the_pooler(backbones: dict[str, Path]) -> None:
    encoder = load_encoder(backbones["wordpiece"], 0.3, 0.2)
    assert (encoder.config.hidden_dropout_prob, encoder.config.attention_probs_dropout_prob) == (0.3, 0.2)
    assert encoder.pooler is None
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}
    assert set(new_encoder(backbones["wordpiece"]).state_dict()) == set(encoder.state_dict())


# --- dropout


@pytest.mark.parametrize(
    ("kind", "dropout", "attention_dropout"),
    [
        ("albert", ["hidden_dropout_prob"], "attention_probs_dropout_prob"),
        ("deberta-v2", ["hidden_dropout_prob"], "attention_probs_dropout_prob"),
        ("distilbert", ["dropout"], "attention_dropout"),
        ("flaubert", ["dropout"], "attention_dropout"),
        ("funnel", ["hidden_dropout"], "attention_dropout"),
        ("longformer", ["hidden_dropout_prob"], "attention_probs_dropout_prob"),
        ("modernbert", ["embedding_dropout", "mlp_dropout"], "attention_dropout"),
    ],
)
def test_encoder_drops_as_asked_whatever_its_config_calls_it(
    tmp_path: Path, kind: str, dropout: list[str], attention_dropout: str
) -> None:
    architecture(tmp_path, kind)
    for attention in attention_kinds(tmp_path):
        encoder = load_encoder(tmp_path, 0.3, 0.2, attention)
        assert {getattr(encoder.config, name) for name in dropout} == {0.3}
        assert getattr(encoder.config, attention_dropout) == 0.2
        assert trial.dropouts(encoder) == {0.3, 0.2}
        assert encoder.config._attn_implementation == attention
    assert trial.dropouts(load_encoder(tmp_path, 0.0, 0.0)) == set()
    assert trial.dropouts(load_encoder(tmp_path, 0.3, 0.0)) == {0.3}


@pytest.mark.parametrize(
    ("kind", "dropout", "attention_dropout", "message"),
    [
        ("eurobert", 0.1, 0.2, r"train\.dropout: 0\.1, and eurobert has no dropout in its outputs; set it to 0\.0"),
        ("eurobert", 0.2, 0.2, r"train\.dropout: 0\.2, and eurobert has no"),
        ("mra", 0.1, 0.2, r"train\.attention_dropout: 0\.2, and mra has no dropout inside attention; set it to 0\.0"),
        ("nystromformer", 0.2, 0.2, r"train\.attention_dropout: 0\.2, and nystromformer has no"),
        ("fnet", 0.1, 0.1, r"train\.attention_dropout: 0\.1, and fnet has no"),
    ],
)
def test_encoder_refuses_dropout_that_would_do_nothing(
    tmp_path: Path, kind: str, dropout: float, attention_dropout: float, message: str
) -> None:
    architecture(tmp_path, kind)
    with pytest.raises(ParamsError, match=message):
        load_encoder(tmp_path, dropout, attention_dropout)
    load_encoder(tmp_path, 0.0 if kind == "eurobert" else dropout, attention_dropout if kind == "eurobert" else 0.0)


@pytest.mark.parametrize("asked", [0.0, 0.1])
def test_encoder_refuses_dropout_that_nobody_asked_for(tmp_path: Path, asked: float) -> None:
    architecture(tmp_path, "funnel", activation_dropout=0.25)
    with pytest.raises(
        BackboneError, match=r"config\.json: funnel drops with 0\.25 .*set activation_dropout there to 0"
    ):
        load_encoder(tmp_path, asked, asked)


def test_encoder_is_loaded_without_a_random_number_of_training(tmp_path: Path) -> None:
    states = []
    for asked in ((0.3, 0.2), (0.0, 0.0), (None, None)):
        torch.manual_seed(3)
        encoder = load_encoder(architecture(tmp_path, "distilbert"), *asked)
        states.append(torch.random.get_rng_state())
        assert not encoder.training
    assert torch.equal(states[0], states[1])
    assert torch.equal(states[0], states[2])


# --- parts


@pytest.mark.parametrize(
    ("kind", "kinds"),
    [
        ("bert", ("sdpa", "eager")),
        ("modernbert", ("sdpa", "eager")),
        ("deberta", ("eager",)),
        ("mpnet", ("eager",)),
        ("roformer", ("eager",)),
    ],
)
def test_encoder_has_kinds_of_attention(tmp_path: Path, kind: str, kinds: tuple[str, ...]) -> None:
    assert attention_kinds(architecture(tmp_path, kind)) == kinds


PARTS: dict[str, tuple[str, set[str], set[str]]] = {
    "bert": ("embeddings", {"embeddings"}, set()),
    "deberta": ("embeddings", {"embeddings", "encoder.rel_embeddings"}, set()),
    "electra": ("embeddings", {"embeddings", "embeddings_project"}, set()),
    "eurobert": ("embed_tokens", {"embed_tokens"}, {"norm"}),
    "modernbert": ("embeddings", {"embeddings"}, {"final_norm"}),
    "roberta-prelayernorm": ("embeddings", {"embeddings"}, {"LayerNorm"}),
}
"""Of each architecture: its embeddings, and where the parameters below and above its layers are."""


@pytest.mark.parametrize("kind", PARTS)
def test_encoder_parts_are_found_by_what_they_do(tmp_path: Path, kind: str) -> None:
    encoder = load_encoder(architecture(tmp_path, kind))
    encoder.pooler = None
    embeddings, lower, upper = PARTS[kind]
    layers = layers_of(encoder)
    assert layers is not None
    assert len(layers) == 2
    assert embeddings_of(encoder) is encoder.get_submodule(embeddings)
    found = {id(p) for module in below(encoder, layers) for p in module.parameters(recurse=False)}
    inside = {id(p) for p in layers.parameters()}
    named = dict(encoder.named_parameters())
    assert {name for name, p in named.items() if id(p) in found} == _within(named, lower)
    assert {name for name, p in named.items() if id(p) not in found | inside} == _within(named, upper)


def _within(named: dict[str, Any], places: set[str]) -> set[str]:
    return {name for name in named if any(name.startswith(f"{place}.") for place in places)}


@pytest.mark.parametrize("kind", ["albert", "xlm", "flaubert", "funnel"])
def test_encoder_without_layers_of_their_own_has_none(tmp_path: Path, kind: str) -> None:
    assert layers_of(load_encoder(architecture(tmp_path, kind))) is None


def test_encoder_whose_inner_layers_share_weights_has_none(tmp_path: Path) -> None:
    encoder = load_encoder(architecture(tmp_path, "albert", inner_group_num=2))
    assert [len(part) for part in encoder.modules() if isinstance(part, nn.ModuleList)] == [1, 2]
    assert layers_of(encoder) is None
