"""Params as ``-S`` of ``dvc exp run`` takes them."""

import json
import re
from typing import Any


def overrides(name: str, value: Any, before: Any = None) -> list[str]:
    """A param as ``-S`` of ``dvc exp run`` takes it, for params.yaml that has ``before``: of a mapping, each key.

    >>> overrides("train.lr", 4e-05) + overrides("backbone.revision", None) + overrides("corpus.path", "my texts")
    ['train.lr=4e-05', 'backbone.revision=null', 'corpus.path="my texts"']
    >>> overrides("train.class_weights", {"name": 2.0}, {"scene": 1.5})
    ['++train.class_weights.name=2.0', '~train.class_weights.scene']
    """
    if not isinstance(value, dict):
        return [f"{name}={_literal(value)}"]
    gone = before.keys() - value.keys() if isinstance(before, dict) else ()
    set_here = [f"++{name}.{key}={_literal(item)}" for key, item in value.items()]
    return [*set_here, *(f"~{name}.{key}" for key in sorted(gone))]


def _literal(value: Any) -> str:
    """A value in the grammar of Hydra's overrides."""
    match value:
        case None | bool() | int() | float():
            return json.dumps(value)
        case list():
            return "[" + ",".join(map(_literal, value)) + "]"
        case str() if re.fullmatch(r"(?!(null|true|false|nan|inf)$)[A-Za-z./][A-Za-z0-9_./-]*", value, re.IGNORECASE):
            return value
    # Hydra takes a backslash as it is, but before a quote.
    return '"' + re.sub(r'(\\*)("|$)', lambda found: found[1] * 2 + ("\\" + found[2] if found[2] else ""), value) + '"'
