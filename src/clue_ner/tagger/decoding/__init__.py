"""Decoding of each head's logits, one file per head, with NumPy only; logits and loss are in ``network.heads``.

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
    """The decoder of the head called ``head``; raises UnknownNameError that lists the existing ones."""
    decoder: EntityDecoder = plugins.load(plugins.DECODERS, head, "head").Decoder(spec)
    return decoder


def weight_names(head: str) -> tuple[str, ...]:
    """The names of the head's parameters that its decoder needs.

    >>> weight_names("crf")
    ('transitions', 'start', 'end')
    """
    return tuple(plugins.literal(plugins.DECODERS, head, "WEIGHTS", default=()))


def read_weights(head: str, path: Path) -> Mapping[str, NDArray[Any]]:
    """The weights in the file ``path`` (safetensors) that the decoder of ``head`` needs.

    Raises ArtifactError if they are missing.
    """
    from safetensors import SafetensorError, safe_open

    if not (names := weight_names(head)):
        return {}
    try:
        with safe_open(path, framework="numpy") as stored:
            return {name: stored.get_tensor(f"head.{name}") for name in names}
    except (SafetensorError, TypeError, ValueError) as error:  # TypeError for a number format that NumPy does not have
        raise ArtifactError(
            f"{path}: not the weights of a head {head} ({error}); fetch it again, or train one"
        ) from None
