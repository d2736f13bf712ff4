"""Sources of pretrained weights, one a file.

A module here exposes ``fetch(params: BackboneParams, target: Path) -> dict[str, str]``: it writes ``config.json``,
``model.safetensors`` (only the encoder, in float32), ``tokenizer.json`` and ``tokenizer_config.json`` into the
existing empty folder ``target`` and returns where they came from: ``kind``, ``name``, ``revision``, ``sha256`` of the
weights as the source has them, ``licence``.
"""

import re
from pathlib import Path

from clue_ner.backbones import _safety
from clue_ner.common.errors import UnknownNameError
from clue_ner.common.paths import is_folder_name
from clue_ner.common.redaction import redact
from clue_ner.core import plugins
from clue_ner.core.params import BackboneParams

FORMS = {
    "hub": "ORG/NAME (a hub id, such as google-bert/bert-base-chinese)",
    "folder": "./FOLDER (or /FOLDER, ~/FOLDER)",
}


def fetch_backbone(params: BackboneParams, target: Path) -> dict[str, str]:
    """Write the encoder that ``params.name`` names into the empty folder ``target``; return where it came from.

    A name is that of a module here (``e5-small``), a folder if it begins with ``.``, ``/`` or ``~`` or ends with
    ``/``, or a hub id ``ORG/NAME``; any other raises UnknownNameError. What was written is checked before it is
    accepted: BackboneError if a file is missing, a tensor has not the shape the config gives it, or is not finite.
    """
    source = plugins.load(__name__, _module(params.name), "backbone").fetch(params, target)
    _safety.check(target, f"backbone {params.name}")
    return dict(source)


def _module(name: str) -> str:
    if is_folder_name(name):
        return "folder"
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        return "hub"
    own = [module.replace("_", "-") for module in plugins.names(__name__) if module not in FORMS]
    if name not in own:
        raise UnknownNameError("backbone", redact(name), [*own, *FORMS.values()])
    return name
