"""What a training begins with: training options as text, frozen and fewer layers."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from support.architectures import architecture
from support.configs import tagger_config
from support.trainings import batch_of, change, equal_weights, outputs, state
from torch import nn
from transformers import AlbertConfig, AlbertModel

from clue_ner.common.errors import ParamsError
from clue_ner.core.params import TrainParams
from clue_ner.network.encoder import new_encoder, shapes
from clue_ner.training import model_setup
from clue_ner.training.optimizer import parameter_groups


def test_options_that_are_on_are_named(params: TrainParams) -> None:
    assert model_setup.enabled_options(change(params, freeze_layers=0)) == ""
    named = model_setup.enabled_options(
        change(params, fgm_epsilon=0.5, layers=6, teacher="models:/big@champion", temperature=3.0)
    )
    assert named == "fgm_epsilon 0.5, layers 6, teacher models:/big@champion, weight 0.5, temperature 3.0"


# --- freezing


def test_training_freezes_word_embeddings_only(setting: Any, params: TrainParams, tmp_path: Path) -> None:
    made = setting("crf")
    for frozen in (True, False):
        model = made.model()
        before = state(model)
        made.fit(model, change(params, freeze_embeddings=frozen, epochs=1), tmp_path)
        same = {name for name, value in state(model).items() if torch.equal(value, before[name])}
        assert same - {"encoder.embeddings.position_ids"} == (
            {"encoder.embeddings.word_embeddings.weight"} if frozen else set()
        )


@pytest.mark.parametrize("count", [1, 2])
def test_training_freezes_the_lowest_layers(setting: Any, params: TrainParams, tmp_path: Path, count: int) -> None:
    model = setting("crf").model()
    before = state(model)
    setting("crf").fit(model, change(params, freeze_layers=count, epochs=1), tmp_path)
    same = {name for name, value in state(model).items() if torch.equal(value, before[name])}
    frozen = ("encoder.embeddings.", *(f"encoder.encoder.layer.{i}." for i in range(count)))
    assert same == {name for name in before if name.startswith(frozen)}
    model.train()
    assert not any(dropout.p for dropout in model.encoder.embeddings.modules() if isinstance(dropout, nn.Dropout))
    assert not any(d.p for d in model.encoder.encoder.layer[0].modules() if isinstance(d, nn.Dropout))
    assert model.characters is not None
    assert model.characters.dropout.p == 0.1


def test_training_cannot_freeze_layers_that_are_not_there(setting: Any, params: TrainParams, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"train\.freeze_layers: 3, but the encoder has only 2 layers"):
        setting().fit(setting().model(), change(params, freeze_layers=3), tmp_path)


# --- layers


def test_layers_are_cut_evenly_from_pretrained_ones(setting: Any, params: TrainParams) -> None:
    made = setting("crf")
    whole = model_setup.build(made.backbone, made.config, params)
    for kept, chosen in ((1, [0]), (2, [0, 1])):
        torch.manual_seed(0)
        cut = model_setup.build(made.backbone, made.config, change(params, layers=kept))
        assert cut.encoder.config.num_hidden_layers == len(cut.encoder.encoder.layer) == kept
        for mine, number in zip(cut.encoder.encoder.layer, chosen):
            assert equal_weights(mine.state_dict(), whole.encoder.encoder.layer[number].state_dict())
        assert equal_weights(cut.encoder.embeddings.state_dict(), whole.encoder.embeddings.state_dict())
        assert outputs(cut, batch_of(made)).isfinite().all()


def test_layers_of_the_middle_stand_in_their_order() -> None:
    for layers in range(1, 25):
        for kept in range(1, layers + 1):
            found = model_setup.evenly_spaced(layers, kept)
            assert len(set(found)) == kept
            assert found == sorted(found)
            assert found[0] == 0
            assert kept == 1 or found[-1] == layers - 1
            gaps = [b - a for a, b in itertools.pairwise(found)]
            assert not gaps or max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize("option", [{"layers": 1}, {"layer_lr_decay": 0.9}, {"freeze_layers": 1}])
def test_layers_that_share_their_weights_are_refused(params: TrainParams, tmp_path: Path, option: Any) -> None:
    albert = AlbertConfig(vocab_size=8, embedding_size=4, hidden_size=4, num_hidden_layers=3, num_attention_heads=1)
    AlbertModel(albert).save_pretrained(tmp_path)
    config = tagger_config(["x"], head="softmax", align="pieces")
    changed = change(params, **option)
    off = {"layers": "null", "layer_lr_decay": r"1\.0", "freeze_layers": "0"}[next(iter(option))]
    with pytest.raises(ParamsError, match=rf"train\.{next(iter(option))}: albert has no layers .*; set it to {off}$"):
        model_setup.build(tmp_path, config, changed)


def test_layers_cannot_be_more_than_there_are(setting: Any, params: TrainParams) -> None:
    with pytest.raises(ParamsError, match=r"train\.layers: 3, but the encoder has only 2 layers"):
        model_setup.build(setting().backbone, setting().config, change(params, layers=3))


# --- other architectures

CONFIG = tagger_config(["x"], head="softmax", align="pieces")


@pytest.mark.parametrize(
    ("kind", "key"),
    [("deberta", "num_hidden_layers"), ("distilbert", "n_layers"), ("mpnet", "num_hidden_layers")],
)
def test_layers_are_saved_under_the_key_that_the_architecture_reads(
    params: TrainParams, tmp_path: Path, kind: str, key: str
) -> None:
    architecture(tmp_path, kind)
    model = model_setup.build(tmp_path, CONFIG, change(params, layers=1))
    text = model_setup.config_json(tmp_path, 1)
    values = json.loads(text)
    assert {name: values[name] for name in ("num_hidden_layers", "n_layers") if name in values} == {key: 1}
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    assert shapes(new_encoder(tmp_path)) == shapes(model.encoder)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("funnel", "has no layers that run one after another"),
        ("longformer", "cannot be built with fewer of its layers"),
        ("modernbert", "has layers of several kinds"),
        ("xlm", "has no layers that run one after another"),
    ],
)
def test_layers_are_refused_where_they_cannot_be_left_out(
    params: TrainParams, tmp_path: Path, kind: str, reason: str
) -> None:
    architecture(tmp_path, kind)
    with pytest.raises(ParamsError, match=rf"train\.layers: {kind} {reason}.*; set it to null"):
        model_setup.build(tmp_path, CONFIG, change(params, layers=1))


@pytest.mark.parametrize(
    ("kind", "frozen"),
    [
        ("deberta", ("embeddings.", "encoder.rel_embeddings.", "encoder.layer.0.")),
        ("distilbert", ("embeddings.", "transformer.layer.0.")),
        ("electra", ("embeddings.", "embeddings_project.", "encoder.layer.0.")),
        ("modernbert", ("embeddings.", "layers.0.")),
    ],
)
def test_lowest_layers_freeze_with_all_that_is_below(
    params: TrainParams, tmp_path: Path, kind: str, frozen: tuple[str, ...]
) -> None:
    architecture(tmp_path, kind)
    changed = change(params, freeze_layers=1, layer_lr_decay=0.5, lr=1e-4, dropout=0.3, attention_dropout=0.2)
    model = model_setup.build(tmp_path, CONFIG, changed)
    rates = _rates(model, changed)
    assert {rates[name] for name in rates if name.startswith(frozen)} == {0.5**2 * 1e-4, 0.5 * 1e-4}
    assert {rates[name] for name in rates if not name.startswith(frozen)} == {1e-4}
    model_setup.prepare(model, changed)
    trainable = {name for name, parameter in model.encoder.named_parameters() if parameter.requires_grad}
    assert trainable == {name for name in rates if not name.startswith(frozen)}
    for name, module in model.encoder.named_modules():
        if isinstance(module, nn.Dropout):
            assert (module.p > 0) == (not f"{name}.".startswith(frozen))


def test_frozen_layers_that_drop_without_a_module_drop_nothing(params: TrainParams, tmp_path: Path) -> None:
    architecture(tmp_path, "eurobert")
    changed = change(params, freeze_layers=1, dropout=0.0, attention_dropout=0.2)
    model = model_setup.build(tmp_path, CONFIG, changed)
    model_setup.prepare(model, changed)
    assert [layer.self_attn.attention_dropout for layer in model.encoder.layers] == [0.0, 0.2]


@pytest.mark.parametrize("kind", ["deberta", "roformer", "xlm"])
def test_attention_that_the_architecture_lacks_is_refused(params: TrainParams, tmp_path: Path, kind: str) -> None:
    architecture(tmp_path, kind)
    with pytest.raises(ParamsError, match=r"train\.attention: sdpa, which the backbone's .*; wanted auto or eager"):
        model_setup.build(tmp_path, CONFIG, change(params, attention="sdpa"))
    for wanted in ("auto", "eager"):
        encoder = model_setup.build(tmp_path, CONFIG, change(params, attention=wanted)).encoder
        assert encoder.config._attn_implementation == "eager"


def _rates(model: Any, params: TrainParams) -> dict[str, float]:
    """The learning rate of each of the encoder's parameters."""
    rates = {id(p): group["lr"] for group in parameter_groups(model, params) for p in group["params"]}
    return {name: rates[id(parameter)] for name, parameter in model.encoder.named_parameters()}
