"""Sources of pretrained weights, one a file.

A module here exposes ``fetch(params: BackboneParams, target: Path) -> dict[str, str]``: it writes ``config.json``,
``model.safetensors`` (only the encoder, in float32), ``tokenizer.json`` and ``tokenizer_config.json`` into the
existing empty folder ``target`` and returns where they came from: ``kind``, ``name``, ``revision``, ``sha256`` of the
weights as the source has them, ``licence``.
"""

from pathlib import Path

from clue_ner.backbones import _safety
from clue_ner.core import plugins
from clue_ner.core.names import backbone_kind
from clue_ner.core.params import BackboneParams


def fetch_backbone(params: BackboneParams, target: Path) -> dict[str, str]:
    """Write the encoder that ``params.name`` names into the empty folder ``target``; return where it came from.

    The name says which module here has it: ``core.names.backbone_kind``. What was written is checked before it is
    accepted: BackboneError if a file is missing, a tensor has not the shape the config gives it, or is not finite.
    """
    source = plugins.load(__name__, backbone_kind(params.name), "backbone").fetch(params, target)
    _safety.check(target, f"backbone {params.name}")
    return dict(source)
