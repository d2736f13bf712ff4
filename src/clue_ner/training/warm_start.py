"""Warm start: training goes on from the weights of a trained tagger, also where types have come or gone."""

import json
import logging
from pathlib import Path
from typing import Any

import torch

from clue_ner.common.errors import ArtifactError
from clue_ner.core import plugins
from clue_ner.core.params import TrainParams
from clue_ner.network import encoder as encoders
from clue_ner.network.model import TaggerModel
from clue_ner.runtimes.torch import load_model
from clue_ner.tagger.config import FILE, TaggerConfig
from clue_ner.training import trained_tagger
from clue_ner.training.inputs import Inputs
from clue_ner.training.model_setup import config_json
from clue_ner.training.trained_tagger import difference, same_tokens

UNIMPORTANT = ("drop", "dtype", "version", "architectures", "label", "initializer", "cache", "name_or_path")
"""Parts of keys in an encoder's configuration that do not change what its weights compute."""

logger = logging.getLogger(__name__)


class WarmStart:
    """The weights of a trained tagger, for one that is trained on from them."""

    def __init__(self, name: str, model: TaggerModel) -> None:
        self.name, self.model = name, model

    @classmethod
    def load(cls, folder: Path, config: TaggerConfig, inputs: Inputs, params: TrainParams) -> "WarmStart":
        """The tagger in ``folder``, for a model that ``config`` describes and ``inputs`` and ``params`` make.

        Raises ArtifactError if it is no model of this project, damaged, or does not fit: then the error names all that
        differs.
        """
        folder, theirs = trained_tagger.read(folder, "init_from")
        if unlike := _differences(folder, theirs, config, inputs, params):
            raise ArtifactError(
                f"train.init_from: {params.init_from}: its weights do not fit, as it differs in {'; '.join(unlike)}; "
                f"set these in params.yaml as in {folder / FILE} (trained.params), or name another tagger"
            )
        return cls(str(params.init_from), load_model(folder, theirs))

    def into(self, model: TaggerModel) -> None:
        """Give ``model`` the weights, and let go of them; in its head, what belongs to new types stays as it is."""
        theirs = self.model
        del self.model
        model.encoder.load_state_dict(theirs.encoder.state_dict())
        if model.characters is not None and theirs.characters is not None:
            model.characters.load_state_dict(theirs.characters.state_dict())
        model.head.take_over(theirs.head)
        here, there = set(model.head.spec.types), set(theirs.head.spec.types)
        kinds = {"types": here & there, "new": here - there, "dropped": there - here}
        found = [f"{kind} {', '.join(sorted(types))}" for kind, types in kinds.items() if types]
        logger.info("weights of %s: %s", self.name, "; ".join(found))


def _differences(
    folder: Path, theirs: TaggerConfig, config: TaggerConfig, inputs: Inputs, params: TrainParams
) -> list[str]:
    """What of the tagger in ``folder`` does not fit, for a person to read."""
    shape = encoders.read(inputs.backbone)
    shape = type(shape).from_dict(json.loads(config_json(inputs.backbone, params.layers)))
    pairs = {
        "train.head": (theirs.head, config.head),
        "tagging.align": (theirs.align, config.align),
        **_of_encoder(encoders.read(folder), shape),
        **_of_sizes(theirs, config, shape),
    }
    if theirs.head == config.head:
        pairs |= _of_labels(theirs, config, shape)
    unlike = [
        difference(name, ("there", there), ("here", here)) for name, (there, here) in pairs.items() if there != here
    ]
    if theirs.align == config.align and not same_tokens(folder, inputs.encoded / "tokenizer"):
        unlike.append("the tokenizer's vocabulary")
    return unlike


def _of_encoder(theirs: Any, ours: Any) -> dict[str, tuple[Any, Any]]:
    """What decides how an encoder computes and which weights it has, in two configurations."""
    if theirs.model_type != ours.model_type:
        return {"the backbone's model_type": (theirs.model_type, ours.model_type)}
    there, here = (
        {key: value for key, value in shape.to_dict().items() if not any(part in key for part in UNIMPORTANT)}
        for shape in (theirs, ours)
    )
    layers = encoders.layers_key(ours)
    return {
        "train.layers" if key == layers else f"the backbone's {key}": (there.get(key), here.get(key))
        for key in sorted(there.keys() | here.keys())
    }


def _of_sizes(theirs: TaggerConfig, config: TaggerConfig, shape: Any) -> dict[str, tuple[Any, Any]]:
    """The params of the model that weights depend on and in which the two differ."""
    there, here = theirs.head_params, config.head_params
    changes: dict[str, tuple[Any, Any, dict[str, Any]]] = {}
    changes["context_size"] = (theirs.context_size, config.context_size, {"context_size": theirs.context_size})
    if theirs.head == config.head:
        changes |= {key: (there[key], here[key], {"head_options": here | {key: there[key]}}) for key in here}
    wanted = encoders.shapes(_without_weights(config, shape))
    return {
        f"train.{key}": (value, ours)
        for key, (value, ours, change) in changes.items()
        if encoders.shapes(_without_weights(config.model_copy(update=change), shape)) != wanted
    }


def _of_labels(theirs: TaggerConfig, config: TaggerConfig, shape: Any) -> dict[str, tuple[Any, Any]]:
    """What keeps the head's rows from being matched: places that a scheme alone has, types if the head has no rows."""
    pairs: dict[str, tuple[Any, Any]] = {}
    if plugins.reads_tags(config.head):
        places = [{scheme.meaning(p) for p in scheme.prefixes} for scheme in (theirs.tag_scheme, config.tag_scheme)]
        if places[0] != places[1]:
            pairs["tagging.scheme"] = (theirs.scheme, config.scheme)
    if not _without_weights(config, shape).head.rows():
        pairs["the corpus's types"] = (theirs.types, config.types)
    return pairs


def _without_weights(config: TaggerConfig, shape: Any) -> TaggerModel:
    with torch.device("meta"):
        return TaggerModel(encoders.of_config(shape), config)
