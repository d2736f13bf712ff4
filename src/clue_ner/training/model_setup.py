"""The model at the start of training: pretrained weights, its layers, and which parameters are trainable."""

import json
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from clue_ner.common.errors import ParamsError
from clue_ner.core.params import TrainParams
from clue_ner.network import encoder as encoders
from clue_ner.network.model import TaggerModel
from clue_ner.tagger.config import TaggerConfig
from clue_ner.tagger.decoding import weight_names
from clue_ner.training import device

OFF = {
    "layer_lr_decay": 1.0,
    "class_weights": {},
    "fgm_epsilon": 0.0,
    "r_drop": 0.0,
    "ema_decay": 0.0,
    "layers": None,
    "freeze_layers": 0,
}
"""Training options and the value with which each is off."""


def build(backbone: Path, config: TaggerConfig, params: TrainParams) -> TaggerModel:
    """The network that ``config`` describes, with the encoder in ``backbone``; all other weights are random.

    Raises the errors of ``build_encoder``.
    """
    return TaggerModel(build_encoder(backbone, params), config, params.dropout)


def build_encoder(backbone: Path, params: TrainParams) -> Any:
    """The pretrained encoder in ``backbone``, set up as in ``params``.

    Raises ParamsError for more ``layers`` than it has and for options that its architecture lacks, BackboneError for
    dropout that ``params`` do not control.
    """
    attention = device.attention(params.attention, encoders.attention_kinds(backbone))
    encoder = encoders.load_encoder(backbone, params.dropout, params.attention_dropout, attention)
    for param in ("freeze_layers", "layer_lr_decay"):
        if getattr(params, param) != OFF[param]:
            layers_of(encoder, param)
    if params.layers is not None:
        _cut(encoder, backbone, params.layers)
    return encoder


def prepare(model: TaggerModel, params: TrainParams) -> None:
    """Freeze parameters, set the class weights, and make training faster on this device.

    Raises ParamsError for layers or types that do not exist.
    """
    model.head.set_class_weights(params.class_weights)
    _freeze(model, params)
    device.suit(model, model.encoder)


def head_weights(model: TaggerModel, head: str) -> dict[str, NDArray[Any]]:
    """A copy of the current weights of the head that the decoder of ``head`` needs."""
    return {name: getattr(model.head, name).detach().cpu().numpy().copy() for name in weight_names(head)}


def enabled_options(params: TrainParams) -> str:
    """A readable list of the training options that are on; empty if none is."""
    values = params.model_dump(include=set(OFF))
    used = [f"{name} {value}" for name, value in values.items() if value != OFF[name]]
    if params.init_from is not None:
        used.append(f"init_from {params.init_from}")
    if params.teacher is not None:
        used.append(f"teacher {params.teacher}, weight {params.teacher_weight}, temperature {params.temperature}")
    return ", ".join(used)


def layers_of(encoder: Any, param: str) -> nn.ModuleList:
    """The encoder's layers, lowest first; ParamsError naming ``param`` if they share weights or are not separate."""
    found = encoders.layers_of(encoder)
    if found is None:
        kind = encoder.config.model_type
        raise ParamsError(
            f"params.yaml: train.{param}: {kind} has no layers that run one after another, each with its own weights; "
            f"{_off(param)}"
        )
    return found


def evenly_spaced(layers: int, kept: int) -> list[int]:
    """The indices of ``kept`` of ``layers`` layers, evenly spaced, as in DistilBERT (Sanh et al. 2019).

    >>> evenly_spaced(12, 6), evenly_spaced(12, 1), evenly_spaced(3, 3)
    ([0, 2, 4, 7, 9, 11], [0], [0, 1, 2])
    """
    return [round(number * (layers - 1) / max(1, kept - 1)) for number in range(kept)]


def config_json(backbone: Path, layers: int | None) -> str:
    """``config.json`` of the encoder in ``backbone`` with only ``layers`` layers; None: all of them."""
    text = (backbone / "config.json").read_text(encoding="utf-8")
    if layers is None:
        return text
    key = encoders.layers_key(encoders.read(backbone))
    return json.dumps(json.loads(text) | {key: layers}, indent=2) + "\n"


def _cut(encoder: Any, backbone: Path, kept: int) -> None:
    """Keep ``kept`` of the layers; raises ParamsError if there are fewer, or if config.json cannot represent that."""
    stack, kind = layers_of(encoder, "layers"), encoder.config.model_type
    if getattr(encoder.config, "layer_types", None):
        raise ParamsError(f"params.yaml: train.layers: {kind} has layers of several kinds; {_off('layers')}")
    if kept > len(stack):
        raise ParamsError(f"params.yaml: train.layers: {kept}, but the encoder has only {len(stack)} layers")
    chosen = [stack[number] for number in evenly_spaced(len(stack), kept)]
    del stack[:]
    stack.extend(chosen)
    encoder.config.num_hidden_layers = kept
    if encoders.shapes(encoder) != _saved_shapes(config_json(backbone, kept), encoder.config):
        raise ParamsError(
            f"params.yaml: train.layers: {kind} cannot be built with fewer of its layers; {_off('layers')}"
        )


def _saved_shapes(text: str, config: Any) -> dict[str, tuple[int, ...]] | None:
    """The parameter shapes of the encoder in the config.json ``text``; None if it cannot be built."""
    with torch.random.fork_rng([]), torch.device("meta"):
        try:
            return encoders.shapes(encoders.of_config(type(config).from_dict(json.loads(text))))
        except Exception:  # any kind: architectures raise different errors
            return None


def _freeze(model: TaggerModel, params: TrainParams) -> None:
    """Freeze the word embeddings; with ``freeze_layers`` also the lowest layers and everything below them.

    Frozen modules have no dropout, and no gradients are computed in them.
    Raises ParamsError if the encoder has fewer layers.
    """
    if params.freeze_embeddings:
        model.encoder.get_input_embeddings().weight.requires_grad_(False)
    if not params.freeze_layers:
        return
    stack = layers_of(model.encoder, "freeze_layers")
    if params.freeze_layers > len(stack):
        raise ParamsError(
            f"params.yaml: train.freeze_layers: {params.freeze_layers}, but the encoder has only {len(stack)} layers"
        )
    lowest = [part for layer in stack[: params.freeze_layers] for part in layer.modules()]
    for module in (*encoders.below(model.encoder, stack), *lowest):
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(False)
        for name, value in vars(module).items():
            if isinstance(value, float) and (isinstance(module, nn.Dropout) or "dropout" in name):
                setattr(module, name, 0.0)


def _off(param: str) -> str:
    """The advice to set ``param`` to the value with which it is off.

    >>> _off("layers"), _off("layer_lr_decay")
    ('set it to null', 'set it to 1.0')
    """
    return f"set it to {json.dumps(OFF[param])}"
