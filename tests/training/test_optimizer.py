"""Learning rate and decay of each parameter."""

from typing import Any

from support.trainings import change

from clue_ner.core.params import TrainParams
from clue_ner.training.optimizer import parameter_groups


def test_training_groups_have_their_own_rate_and_decay(setting: Any, params: TrainParams) -> None:
    params = change(params, lr=1e-4, head_lr_factor=5.0, transition_lr_factor=100.0, weight_decay=0.01)
    model = setting("crf").model()
    groups = parameter_groups(model, params)
    settings = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert sum(len(group["params"]) for group in groups) == len(settings) == len(list(model.parameters()))
    named = {name: settings[id(parameter)] for name, parameter in model.named_parameters()}
    assert named["encoder.embeddings.word_embeddings.weight"] == (1e-4, 0.01)
    assert named["encoder.encoder.layer.0.output.dense.bias"] == (1e-4, 0.0)
    assert named["encoder.encoder.layer.1.output.LayerNorm.weight"] == (1e-4, 0.0)
    assert named["characters.context.forwards.weight_ih_l0"] == (5e-4, 0.01)
    assert named["characters.norm.weight"] == (5e-4, 0.0)
    assert named["head.linear.weight"] == (5e-4, 0.01)
    assert named["head.linear.bias"] == (5e-4, 0.0)
    assert {named[f"head.{name}"] for name in ("transitions", "start", "end")} == {(1e-2, 0.0)}


def test_training_groups_leave_frozen_parameters_out(setting: Any, params: TrainParams) -> None:
    model = setting("softmax", "pieces").model()
    model.encoder.get_input_embeddings().weight.requires_grad_(False)
    found = [p for group in parameter_groups(model, params) for p in group["params"]]
    assert len(found) == len(list(model.parameters())) - 1
    assert all(p.requires_grad for p in found)


def test_layer_lr_decay_falls_from_the_head_to_the_embeddings(setting: Any, params: TrainParams) -> None:
    params = change(params, lr=1e-4, head_lr_factor=5.0, layer_lr_decay=0.5, weight_decay=0.01)
    model = setting("softmax").model()
    rates = {id(p): group["lr"] for group in parameter_groups(model, params) for p in group["params"]}
    named = {name: rates[id(parameter)] for name, parameter in model.named_parameters()}
    assert {v for k, v in named.items() if k.startswith("encoder.embeddings.")} == {1e-4 * 0.25}
    assert {v for k, v in named.items() if k.startswith("encoder.encoder.layer.0.")} == {1e-4 * 0.5}
    assert {v for k, v in named.items() if k.startswith("encoder.encoder.layer.1.")} == {1e-4}
    assert {v for k, v in named.items() if not k.startswith("encoder.")} == {5e-4}
