"""Sources of pretrained weights, one file per source.

A module here has ``fetch(params: BackboneParams, target: Path) -> dict[str, str]``: it writes ``config.json``,
``model.safetensors`` (only the encoder, in float32), ``tokenizer.json`` and ``tokenizer_config.json`` into the
existing empty folder ``target`` and returns where they came from: ``kind``, ``name``, ``revision``, ``sha256`` of the
weight files at the source, ``licence``.
"""

from pathlib import Path

from clue_ner.backbones import _safety
from clue_ner.core import plugins
from clue_ner.core.names import backbone_kind
from clue_ner.core.params import BackboneParams


def fetch_backbone(params: BackboneParams, target: Path) -> dict[str, str]:
    """Write the encoder ``params.name`` into the empty folder ``target``; return its source.

    ``core.names.backbone_kind`` selects the module. The files are checked before they are accepted: BackboneError if a
    file is missing, or if a tensor has another shape than in the config or is not finite.
    """
    source = plugins.load(__name__, backbone_kind(params.name), "backbone").fetch(params, target)
    _safety.check(target, f"backbone {params.name}")
    return dict(source)
