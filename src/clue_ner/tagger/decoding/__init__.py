"""How a head's logits are read, one head a file, with NumPy only; what a head learns is in ``network.heads``.

A module has a class ``Decoder``, an ``EntityDecoder``; ``build`` finds it by the head's name.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from clue_ner.common.errors import ArtifactError
from clue_ner.core import plugins
from clue_ner.tagger.decoding._base import Decoded, DecoderSpec, EntityDecoder

__all__ = ["Decoded", "DecoderSpec", "EntityDecoder", "build", "read_weights", "weight_names"]


def build(head: str, spec: DecoderSpec) -> EntityDecoder:
    """The decoder of the head called ``head``; raises UnknownNameError listing those there are."""
    decoder: EntityDecoder = plugins.load(plugins.DECODERS, head, "head").Decoder(spec)
    return decoder


def weight_names(head: str) -> tuple[str, ...]:
    """The head's parameters that its decoder reads.

    >>> weight_names("crf")
    ('transitions', 'start', 'end')
    """
    return tuple(plugins.literal(plugins.DECODERS, head, "WEIGHTS", default=()))


def read_weights(head: str, path: Path) -> Mapping[str, NDArray[Any]]:
    """What the decoder of ``head`` reads of the model in ``path`` (safetensors).

    Raises ArtifactError if that is not there.
    """
    from safetensors import SafetensorError, safe_open

    if not (names := weight_names(head)):
        return {}
    try:
        with safe_open(path, framework="numpy") as stored:
            return {name: stored.get_tensor(f"head.{name}") for name in names}
    except (SafetensorError, TypeError, ValueError) as error:  # the latter for a type that NumPy does not have
        raise ArtifactError(
            f"{path}: not the weights of a head {head} ({error}); fetch it again, or train one"
        ) from None
