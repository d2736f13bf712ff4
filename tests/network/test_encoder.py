"""The pretrained encoder as transformers builds it."""

from pathlib import Path

import torch

from clue_ner.network.encoder import load_encoder, new_encoder


def test_encoder_takes_overrides_and_drops_the_pooler(backbones: dict[str, Path]) -> None:
    encoder = load_encoder(backbones["wordpiece"], hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.2)
    assert (encoder.config.hidden_dropout_prob, encoder.config.attention_probs_dropout_prob) == (0.3, 0.2)
    assert encoder.pooler is None
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}
    assert set(new_encoder(backbones["wordpiece"]).state_dict()) == set(encoder.state_dict())
