"""Packages whose modules are found by looking: a new head, corpus or backbone is one new file."""

import ast
import importlib
import importlib.util
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

from clue_ner.common.errors import UnknownNameError

HEADS = "clue_ner.network.heads"


def names(package: str) -> list[str]:
    """The public modules of ``package``, sorted, without importing any of them.

    >>> "softmax" in names("clue_ner.network.heads")
    True
    """
    spec = importlib.util.find_spec(package)
    path = spec.submodule_search_locations if spec else None
    return sorted(m.name for m in pkgutil.iter_modules(path) if not m.name.startswith("_"))


def load(package: str, name: str, kind: str) -> ModuleType:
    """The module ``name`` of ``package``; an unknown name lists those there are."""
    module = name.replace("-", "_")
    if module not in names(package):
        raise UnknownNameError(kind, name, names(package))
    return importlib.import_module(f"{package}.{module}")


def literal(package: str, name: str, constant: str, default: Any) -> Any:
    """What the module ``name`` of ``package`` says ``constant`` is, without importing it.

    >>> literal("clue_ner.network.heads", "global_pointer", "READS_TAGS", default=True)
    False
    """
    spec = importlib.util.find_spec(f"{package}.{name}") if name in names(package) else None
    if spec is None or spec.origin is None:
        return default
    for statement in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == constant:
            return ast.literal_eval(statement.value)
    return default


def reads_tags(head: str) -> bool:
    """Whether the head called ``head`` decides a tag a unit, so that entities cannot overlap; without importing it.

    >>> reads_tags("crf"), reads_tags("span")
    (True, False)
    """
    return bool(literal(HEADS, head, "READS_TAGS", default=True))
