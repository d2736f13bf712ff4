"""The pretrained encoder, built by transformers from a folder with config.json.

Architectures use different names for the same settings; this module finds their equivalents of BERT's
``hidden_dropout_prob``, ``embeddings`` and ``num_hidden_layers``.
"""

import math
from pathlib import Path
from typing import Any

import torch
from torch import nn

from clue_ner.common.errors import BackboneError, ParamsError
from clue_ner.network import trial

WITHOUT_POOLER = ("bert", "roberta", "xlm-roberta", "ernie")
"""Architectures whose constructor takes ``add_pooling_layer``."""
DROPOUT = ("hidden_dropout_prob", "hidden_dropout", "dropout", "embedding_dropout", "mlp_dropout")
ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")
"""Configuration keys for dropout in the encoder's outputs, and inside attention; some encoders have several."""
LAYERS = "num_hidden_layers"


def load_encoder(
    folder: Path, dropout: float | None = None, attention_dropout: float | None = None, attention: str | None = None
) -> Any:
    """The pretrained encoder in ``folder``, in float32; raises transformers' errors for damaged files.

    - ``dropout``, ``attention_dropout``: in its outputs and inside attention, either both or none; None: those of its
    config
    - ``attention``: one of ``attention_kinds``; None: transformers' default

    Raises ParamsError for dropout that the encoder does not have, BackboneError for further dropout elsewhere.
    """
    from transformers import AutoModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # loading the weights takes less time than reading the bar
    config = read(folder)
    if attention is not None:
        config._attn_implementation = attention
    wanted = {}
    if dropout is not None and attention_dropout is not None:
        wanted = {"dropout": dropout, "attention_dropout": _distinct(dropout, attention_dropout)}
        for names, value in zip((DROPOUT, ATTENTION_DROPOUT), wanted.values()):
            for name in config.to_dict().keys() & set(names):
                setattr(config, name, value)
    encoder = AutoModel.from_pretrained(
        folder, config=config, local_files_only=True, use_safetensors=True, dtype=torch.float32, **_kinds(config)
    )
    if wanted:
        _refuse_other_dropout(encoder, wanted)
    return encoder


def new_encoder(folder: Path) -> Any:
    """An encoder as in ``folder``'s config.json, whose weights are not loaded yet."""
    return of_config(read(folder))


def of_config(config: Any) -> Any:
    """An encoder as in ``config``, whose weights are not loaded yet."""
    from transformers import AutoModel

    return AutoModel.from_config(config, **_kinds(config))


def read(folder: Path) -> Any:
    """The configuration in ``folder``, as an object of transformers."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def attention_kinds(folder: Path) -> tuple[str, ...]:
    """The attention implementations of the encoder in ``folder``: ``eager``, and for most also ``sdpa``."""
    from transformers import AutoModel

    with torch.device("meta"):
        encoder = AutoModel.from_config(read(folder))
    return kinds_of(encoder)


def kinds_of(encoder: Any) -> tuple[str, ...]:
    """As ``attention_kinds``, for an encoder object."""
    return ("sdpa", "eager") if encoder._supports_sdpa else ("eager",)


def embeddings_of(encoder: Any) -> nn.Module:
    """The part of the encoder that contains the word embeddings and turns ids into the first states."""
    table = encoder.get_input_embeddings()
    found: nn.Module = next(part for part in encoder.children() if any(module is table for module in part.modules()))
    return found


def layers_of(encoder: Any) -> nn.ModuleList | None:
    """The encoder's layers, lowest first; None if they share weights or are not separate modules that run once."""
    count = getattr(encoder.config, LAYERS, None)
    lists = [
        module
        for module in encoder.modules()
        if isinstance(module, nn.ModuleList) and len(module) == count and not isinstance(module[0], nn.ModuleList)
    ]
    inside = {id(part) for found in lists for layer in found for part in layer.modules()}
    outermost = [found for found in lists if id(found) not in inside]
    if len(outermost) != 1 or trial.order(encoder, [*outermost[0]]) != list(range(len(outermost[0]))):
        return None
    return outermost[0]


def below(encoder: Any, layers: nn.ModuleList) -> list[nn.Module]:
    """The modules of the encoder outside of its ``layers``, except those that only run after the layers.

    These are the embeddings, and modules that all layers share, such as relative positions. Only a module's direct
    parameters belong to it.
    """
    inside = {id(part) for layer in layers for part in layer.modules()}
    outside = [module for module in encoder.modules() if id(module) not in inside]
    begun = trial.order(encoder, [*outside, layers[-1]])
    last = begun.index(len(outside))
    above = set(begun[last:]) - set(begun[:last])
    return [module for number, module in enumerate(outside) if number not in above]


def layers_key(config: Any) -> str:
    """The key of config.json that holds the number of layers."""
    return str(type(config).attribute_map.get(LAYERS, LAYERS))


def shapes(encoder: Any) -> dict[str, tuple[int, ...]]:
    """The shape of each parameter by its name."""
    return {name: tuple(parameter.shape) for name, parameter in encoder.named_parameters()}


def _kinds(config: Any) -> dict[str, Any]:
    return {"add_pooling_layer": False} if config.model_type in WITHOUT_POOLER else {}


def _distinct(dropout: float, attention_dropout: float) -> float:
    """``attention_dropout``, or the next float if both are equal, so that the two can be distinguished."""
    return math.nextafter(attention_dropout, 1.0) if dropout == attention_dropout > 0 else attention_dropout


def _refuse_other_dropout(encoder: Any, wanted: dict[str, float]) -> None:
    """Raise an error if the encoder does not use a wanted dropout probability, or uses another one."""
    kind, found = encoder.config.model_type, trial.dropouts(encoder)
    places = {"dropout": "in its outputs", "attention_dropout": "inside attention"}
    for name, value in wanted.items():
        if value and value not in found:
            raise ParamsError(
                f"params.yaml: train.{name}: {value:.6g}, and {kind} has no dropout {places[name]}; set it to 0.0"
            )
    if others := sorted(found - set(wanted.values())):
        keys = [key for key, value in encoder.config.to_dict().items() if "drop" in key and value in others]
        raise BackboneError(
            f"the backbone's config.json: {kind} drops with {others[0]:.6g} also where neither train.dropout nor "
            f"train.attention_dropout says so; set {' and '.join(keys) or 'that dropout'} there to 0.0"
        )
