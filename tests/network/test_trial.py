"""What one forward pass tells about an encoder."""

from pathlib import Path

import pytest
import torch
from support.architectures import architecture
from torch import nn

from clue_ner.network import trial
from clue_ner.network.encoder import load_encoder


@pytest.mark.parametrize("kind", ["albert", "bert", "deberta", "longformer", "mpnet", "roformer", "xlm"])
def test_trial_finds_nothing_wrong(tmp_path: Path, kind: str) -> None:
    assert trial.problem(load_encoder(architecture(tmp_path, kind))) is None


@pytest.mark.parametrize("kind", ["convbert", "fnet", "funnel", "nystromformer"])
def test_trial_finds_states_that_depend_on_padding(tmp_path: Path, kind: str) -> None:
    found = trial.problem(load_encoder(architecture(tmp_path, kind)))
    assert found is not None
    assert found.startswith(f"{kind}'s state of a token depends on the padding after it")


def test_trial_finds_other_inputs_and_outputs(tmp_path: Path) -> None:
    encoder = load_encoder(architecture(tmp_path, "bert"))
    encoder.config.hidden_size = 16
    assert trial.problem(encoder) == (
        "bert gives states [2, 16, 32] for 2 rows of 16 tokens, wanted a state of 16 each"
    )
    encoder.forward = lambda inputs: None
    found = trial.problem(encoder)
    assert found is not None
    assert found.startswith("bert needs inputs other than token ids and a mask (TypeError: ")


def test_trial_sees_dropout_of_every_form(tmp_path: Path) -> None:
    encoder = load_encoder(architecture(tmp_path, "bert"), 0.0, 0.0)
    assert trial.dropouts(encoder) == set()
    encoder.embeddings.register_forward_hook(lambda *_: nn.functional.dropout(torch.ones(1), 0.3) and None)
    encoder.embeddings.register_forward_hook(lambda *_: torch.dropout(torch.ones(1), 0.2, train=True) and None)
    encoder.embeddings.dropout = nn.Dropout1d(0.4)
    assert trial.dropouts(encoder) == {0.2, 0.3, 0.4}


def test_trial_leaves_encoder_and_random_numbers_as_they_were(tmp_path: Path) -> None:
    encoder = load_encoder(architecture(tmp_path, "bert"), 0.5, 0.5)
    layers = list(encoder.encoder.layer)
    for training in (True, False):
        encoder.train(training)
        torch.manual_seed(0)
        before = torch.random.get_rng_state()
        assert len(trial.dropouts(encoder)) == 2
        assert trial.order(encoder, layers[::-1]) == [1, 0]
        assert trial.problem(encoder) is None
        assert torch.equal(torch.random.get_rng_state(), before)
        assert encoder.training == training
        assert not any(layer._forward_pre_hooks for layer in layers)
