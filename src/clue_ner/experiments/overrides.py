"""Params in the syntax of ``dvc exp run -S``, and commands for a shell.

DVC parses ``-S`` with Hydra's grammar: names and unquoted text have only ASCII letters, digits and a few signs. Then
OmegaConf resolves ``${…}``, which allows mappings with any keys, from YAML: ``${oc.create:"…"}``.
"""

import json
import re
import shlex
from collections.abc import Iterable
from typing import Any

_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
_PLAIN = re.compile(r"(?!(?:null|true|false|nan|inf)$)(?:\.{0,2}/)?[A-Za-z_][A-Za-z0-9_./:@-]*", re.IGNORECASE)
"""Texts that Hydra accepts without quotes."""
_PLAIN_KEY = re.compile(r"(?!(?:null|true|false|yes|no|on|off)$)[^\W\d][\w.-]*", re.IGNORECASE)
"""Keys that OmegaConf's YAML accepts without quotes."""


def overrides(name: str, value: Any, before: Any = None) -> list[str]:
    """A param as arguments of ``-S``, if params.yaml has the value ``before``: each key of a mapping, or all of it.

    >>> overrides("train.lr", 4e-05) + overrides("backbone.revision", None) + overrides("corpus.path", "语料")
    ['train.lr=4e-05', 'backbone.revision=null', 'corpus.path="语料"']
    >>> overrides("train.class_weights", {"name": 2.0}, {"scene": 1.5})
    ['++train.class_weights.name=2.0', '~train.class_weights.scene']
    >>> print(*overrides("train.class_weights", {"人名": 2.0, "PER.NOM": 1.5}))
    train.class_weights="${oc.create:\\"{人名: 2.0, PER.NOM: 1.5}\\"}"
    """
    if not (isinstance(value, dict) and isinstance(before, dict) and all(map(_KEY.fullmatch, [*value, *before]))):
        return [f"{name}={_literal(value)}"]
    gone = sorted(before.keys() - value.keys())
    return [*(f"++{name}.{key}={_literal(item)}" for key, item in value.items()), *(f"~{name}.{key}" for key in gone)]


def command_line(changes: Iterable[str], *options: str) -> str:
    """The shell command that runs params.yaml with ``changes``, each from ``overrides``.

    >>> print(command_line(["seed=2", 'corpus.path="语料"'], "--temp"))
    dvc exp run --temp -S seed=2 -S 'corpus.path="语料"'
    """
    return shlex.join(["dvc", "exp", "run", *options, *(part for change in changes for part in ("-S", change))])


def _literal(value: Any) -> str:
    """A value in Hydra's grammar."""
    match value:
        case dict():
            return _quoted("${oc.create:" + _quoted(_escaped(_yaml(value))) + "}")
        case list():
            return "[" + ",".join(map(_literal, value)) + "]"
        case str():
            return value if _PLAIN.fullmatch(value) else _quoted(_escaped(value))
        case float():
            return repr(value)
    return json.dumps(value)


def _yaml(value: dict[str, Any]) -> str:
    """A mapping of simple values as YAML on one line."""
    keys = (key if _PLAIN_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False) for key in value)
    return (
        "{"
        + ", ".join(f"{key}: {json.dumps(item, ensure_ascii=False)}" for key, item in zip(keys, value.values()))
        + "}"
    )


def _escaped(text: str) -> str:
    """A text, escaped so that OmegaConf finds no reference in it."""
    return re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + r"\${", text)


def _quoted(text: str) -> str:
    """A text in quotes for Hydra and OmegaConf, which only read a backslash before a quote as an escape."""
    return '"' + re.sub(r'(\\*)("|$)', lambda found: found[1] * 2 + ("\\" + found[2] if found[2] else ""), text) + '"'
