"""Packages whose modules are discovered: a new corpus, backbone or runtime is one new file, a new head two."""

import ast
import functools
import importlib
import importlib.util
import pkgutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from clue_ner.common.errors import UnknownNameError

_PARSING = threading.Lock()
"""Python 3.11 can fail to parse in several threads at once (SystemError: AST constructor recursion depth mismatch)."""
HEADS, DECODERS = "clue_ner.network.heads", "clue_ner.tagger.decoding"
"""A head's loss (torch) and its decoding (NumPy): one file in each package, with the head's name."""
CORPORA, LAYOUTS = "clue_ner.corpora", "clue_ner.layouts"
"""Corpora that are known by content, and the layouts of files that a person's own corpus may have."""
AUTO = "auto"
"""Instead of a layout's name: the layout that a file is recognised to have."""


def names(package: str) -> list[str]:
    """The public modules of ``package``, sorted, without importing any of them.

    >>> "softmax" in names(DECODERS)
    True
    """
    return sorted(m.name for m in pkgutil.iter_modules(_folders(package)) if not m.name.startswith("_"))


def load(package: str, name: str, kind: str) -> ModuleType:
    """The module ``name`` of ``package``; raises UnknownNameError that lists the existing ones."""
    module = name.replace("-", "_")
    if module not in names(package):
        raise UnknownNameError(kind, name, names(package))
    return importlib.import_module(f"{package}.{module}")


def literal(package: str, name: str, constant: str, default: Any) -> Any:
    """The value of ``constant`` in the module ``name`` of ``package``, which must be a literal; nothing is imported.

    >>> literal(DECODERS, "global_pointer", "READS_TAGS", default=True)
    False
    """
    for path in (path for folder in _folders(package) if (path := Path(folder) / f"{name}.py").is_file()):
        with _PARSING:
            found = _constants(path).get(constant)
        return default if found is None else ast.literal_eval(found)
    return default


@functools.cache
def _constants(path: Path) -> dict[str, ast.expr]:
    """What the names at the top of a file are set to."""
    statements = ast.parse(path.read_text(encoding="utf-8")).body
    return {ast.unparse(each.targets[0]): each.value for each in statements if isinstance(each, ast.Assign)}


def reads_tags(head: str) -> bool:
    """Whether ``head`` is a sequence-labelling head: it predicts a tag for each unit, so entities cannot overlap.

    >>> reads_tags("crf"), reads_tags("span")
    (True, False)
    """
    return bool(literal(DECODERS, head, "READS_TAGS", default=True))


def finds_more_types(head: str, flat: bool) -> bool:
    """Whether a model can find one span with two types: the head has to, and of spans that overlap all are kept.

    >>> finds_more_types("global_pointer", flat=False), finds_more_types("biaffine", flat=False)
    (True, False)
    """
    return not flat and bool(literal(DECODERS, head, "MORE_TYPES", default=False))


def head_params(head: str) -> dict[str, Any]:
    """The head's own params, with their values for models that are older than the param.

    >>> head_params("biaffine")
    {'head_size': 64}
    """
    return dict(literal(DECODERS, head, "PARAMS", default={}))


def layout_options(layout: str) -> dict[str, tuple[str | int, ...]]:
    """The options of a layout, of ``auto`` those of any, with their values; TEXT and NUMBER stand for any.

    >>> layout_options("jsonl")["ends"]
    ('exclusive', 'inclusive')
    """
    values = literal(LAYOUTS, "_options", "VALUES", default={})
    layouts = names(LAYOUTS) if layout == AUTO else [layout]
    return {option: values[option] for name in layouts for option in literal(LAYOUTS, name, "OPTIONS", default=())}


def wrong_options(layout: str, options: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with ``options`` of a layout, a text for each of them.

    >>> list(wrong_options("jsonl", {"ends": "inclusiv"}))
    ['ends: wanted exclusive or inclusive']
    """
    known = layout_options(layout)
    for option, value in options.items():
        if option not in known:
            yield f"no option {option} of {layout}: there are {', '.join(known) or 'none'}"
            continue
        wanted = known[option]
        fits = value in wanted or ("NUMBER" in wanted and type(value) is int)
        if not fits and not ("TEXT" in wanted and isinstance(value, str) and value):
            words = {"NUMBER": "a whole number", "TEXT": "a text that is not empty"}
            yield f"{option}: wanted {' or '.join(words.get(str(one), str(one)) for one in wanted)}"


def _folders(package: str) -> list[str]:
    spec = importlib.util.find_spec(package)
    return list(spec.submodule_search_locations or ()) if spec else []
