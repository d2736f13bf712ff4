"""Packages whose modules are found by looking: a new head, corpus or backbone is one new file."""

import importlib
import importlib.util
import pkgutil
from types import ModuleType

from clue_ner.errors import UnknownNameError


def names(package: str) -> list[str]:
    """The public modules of ``package``, sorted, without importing any of them.

    >>> "softmax" in names("clue_ner.heads")
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
