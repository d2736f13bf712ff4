"""Parameter groups of AdamW: learning rates and weight decay."""

from typing import Any

from clue_ner.core.params import TrainParams
from clue_ner.network.encoder import below
from clue_ner.network.model import TaggerModel
from clue_ner.training.model_setup import layers_of


def parameter_groups(model: TaggerModel, params: TrainParams) -> list[dict[str, Any]]:
    """The trainable parameters by learning rate and weight decay; no decay for biases, norms and transitions.

    With ``layer_lr_decay`` (as in ELECTRA, Clark et al. 2020) the learning rate of an encoder layer is that factor
    times the one of the layer above it, and that of the embeddings that factor times the one of the lowest layer. Head
    and character layers use ``head_lr_factor``.
    """
    transitions = {id(parameter) for parameter in model.head.transition_parameters()}
    depths = _layers_above(model, params)
    groups: dict[tuple[float, float], list[Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        factor = params.head_lr_factor
        if name in depths:
            factor = params.layer_lr_decay ** depths[name]
        elif id(parameter) in transitions:
            factor = params.transition_lr_factor
        decay = params.weight_decay if parameter.ndim > 1 and id(parameter) not in transitions else 0.0
        groups.setdefault((params.lr * factor, decay), []).append(parameter)
    return [{"params": group, "lr": lr, "weight_decay": decay} for (lr, decay), group in groups.items()]


def _layers_above(model: TaggerModel, params: TrainParams) -> dict[str, int]:
    """For each pretrained parameter the number of encoder layers above it; 0 for modules after the last layer."""
    depths = dict.fromkeys(model.encoder_parameters(), 0)
    if params.layer_lr_decay == 1.0:
        return depths
    stack = layers_of(model.encoder, "layer_lr_decay")
    above = {id(p): len(stack) - 1 - number for number, layer in enumerate(stack) for p in layer.parameters()}
    above |= {id(p): len(stack) for part in below(model.encoder, stack) for p in part.parameters(recurse=False)}
    for name, parameter in model.named_parameters():
        if name in depths:
            depths[name] = above.get(id(parameter), 0)
    return depths
