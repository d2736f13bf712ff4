"""A model as training begins: pretrained weights, which of its layers there are, and which of them are trainable."""

import json
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import nn

from clue_ner.common.errors import ParamsError
from clue_ner.core.params import TrainParams
from clue_ner.network.encoder import load_encoder
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
"""Training levers and the value with which each does nothing."""


def build(backbone: Path, config: TaggerConfig, params: TrainParams) -> TaggerModel:
    """The network that ``config`` describes with the encoder in ``backbone``; what is not pretrained is random.

    Raises ParamsError for more ``layers`` than the encoder has.
    """
    encoder = load_encoder(
        backbone,
        hidden_dropout_prob=params.dropout,
        attention_probs_dropout_prob=params.attention_dropout,
        _attn_implementation=device.attention(params.attention),
    )
    if params.layers is not None:
        _cut(encoder, params.layers)
    return TaggerModel(encoder, config, params.dropout)


def prepare(model: TaggerModel, params: TrainParams) -> None:
    """Freeze what ``params`` say, weigh the types, and make training cheap on this device.

    Raises ParamsError for layers or types that are not there.
    """
    model.head.set_class_weights(params.class_weights)
    _freeze(model, params)
    device.suit(model, model.encoder)


def head_weights(model: TaggerModel, head: str) -> dict[str, NDArray[Any]]:
    """Those weights of the head, as they are now, that the decoder of ``head`` reads."""
    return {name: getattr(model.head, name).detach().cpu().numpy().copy() for name in weight_names(head)}


def levers(params: TrainParams) -> str:
    """The levers that are on, for a person to read; empty if none is."""
    values = params.model_dump(include=set(OFF))
    used = [f"{name} {value}" for name, value in values.items() if value != OFF[name]]
    if params.teacher is not None:
        used.append(f"teacher {params.teacher}, weight {params.teacher_weight}, temperature {params.temperature}")
    return ", ".join(used)


def layers_of(encoder: Any, param: str) -> nn.ModuleList:
    """The encoder's layers, lowest first; raises ParamsError naming ``param`` if they are no list of modules."""
    count = encoder.config.num_hidden_layers
    for module in encoder.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    kind = encoder.config.model_type
    raise ParamsError(f"params.yaml: train.{param}: the layers of {kind} are not found; leave it off")


def evenly_spaced(layers: int, kept: int) -> list[int]:
    """The ``kept`` of ``layers`` layers, from the first to the last, as DistilBERT (Sanh et al. 2019) begins.

    >>> evenly_spaced(12, 6), evenly_spaced(12, 1), evenly_spaced(3, 3)
    ([0, 2, 4, 7, 9, 11], [0], [0, 1, 2])
    """
    return [round(number * (layers - 1) / max(1, kept - 1)) for number in range(kept)]


def config_json(backbone: Path, layers: int | None) -> str:
    """``config.json`` of an encoder with only ``layers`` layers of the one in ``backbone``; None: all of them."""
    text = (backbone / "config.json").read_text(encoding="utf-8")
    if layers is None:
        return text
    return json.dumps(json.loads(text) | {"num_hidden_layers": layers}, indent=2) + "\n"


def _cut(encoder: Any, kept: int) -> None:
    """Keep ``kept`` of the layers; raises ParamsError if there are fewer."""
    stack = layers_of(encoder, "layers")
    if getattr(encoder.config, "layer_types", None):
        kind = encoder.config.model_type
        raise ParamsError(f"params.yaml: train.layers: {kind} has layers of several kinds; set it to null")
    if kept > len(stack):
        raise ParamsError(f"params.yaml: train.layers: {kept}, and the encoder has {len(stack)} layers")
    chosen = [stack[number] for number in evenly_spaced(len(stack), kept)]
    del stack[:]
    stack.extend(chosen)
    encoder.config.num_hidden_layers = kept


def _freeze(model: TaggerModel, params: TrainParams) -> None:
    """Keep the word embeddings as pretrained; with ``freeze_layers`` the lowest layers and all below them too.

    A frozen layer has no dropout, and no gradient is computed in it.
    Raises ParamsError if the encoder has fewer layers.
    """
    if params.freeze_embeddings:
        model.encoder.get_input_embeddings().weight.requires_grad_(False)
    if not params.freeze_layers:
        return
    stack = layers_of(model.encoder, "freeze_layers")
    if params.freeze_layers > len(stack):
        raise ParamsError(
            f"params.yaml: train.freeze_layers: {params.freeze_layers}, and the encoder has {len(stack)} layers"
        )
    for module in (model.encoder.embeddings, *stack[: params.freeze_layers]):
        module.requires_grad_(False)
        for dropout in module.modules():
            if isinstance(dropout, nn.Dropout):
                dropout.p = 0.0
