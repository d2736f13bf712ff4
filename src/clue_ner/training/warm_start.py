"""Warm start: training continues from the weights of a trained tagger; types may be added or dropped."""

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
"""Substrings of configuration keys of an encoder that do not affect what its weights compute."""

logger = logging.getLogger(__name__)


class WarmStart:
    """The weights of a trained tagger, from which another training starts."""

    def __init__(self, name: str, model: TaggerModel) -> None:
        self.name, self.model = name, model

    @classmethod
    def load(cls, folder: Path, config: TaggerConfig, inputs: Inputs, params: TrainParams) -> "WarmStart":
        """The tagger in ``folder``, checked against the model that ``config``, ``inputs`` and ``params`` define.

        Raises ArtifactError if it is not a model of this project, is damaged, or does not fit; the error lists all
        differences.
        """
        folder, theirs = trained_tagger.read(folder, "init_from")
        if unlike := _differences(folder, theirs, config, inputs, params):
            raise ArtifactError(
                f"train.init_from: {params.init_from}: its weights do not fit, because it differs in "
                f"{'; '.join(unlike)}; set these in params.yaml as in {folder / FILE} "
                "(trained.params), or name another tagger"
            )
        return cls(str(params.init_from), load_model(folder, theirs))

    def into(self, model: TaggerModel) -> None:
        """Copy the weights to ``model`` and release them; head rows of new types keep their initial values."""
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
    """Readable descriptions of what does not fit in the tagger in ``folder``."""
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
    """Values of two configurations that determine the computation and the weights of an encoder."""
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
    """The params on which the shapes of the weights depend and in which the two models differ."""
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
    """What prevents matching head rows: positions that only one scheme has, or types if the head has no rows."""
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
