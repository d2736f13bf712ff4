"""Recognises the layout of a file by its content."""

import codecs
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from clue_ner.common.errors import CorpusError, SourceError
from clue_ner.core import plugins
from clue_ner.core.plugins import AUTO, LAYOUTS

HEAD = 2**16
"""Number of bytes that are examined."""


class Sample:
    """The name of a file or folder and the beginning of its content."""

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        self.path = path
        self.options = options

    @cached_property
    def head(self) -> bytes:
        """The first bytes; empty for a folder. Raises SourceError if they cannot be read."""
        if self.path.is_dir():
            return b""
        try:
            with self.path.open("rb") as stream:
                return stream.read(HEAD)
        except OSError as error:
            raise SourceError(f"{self.path}: cannot be read ({error.strerror or error})") from None

    @cached_property
    def lines(self) -> list[str]:
        """The first complete lines; none if the file is not UTF-8."""
        head = self.head.removeprefix(codecs.BOM_UTF8)
        if len(self.head) == HEAD:
            head = head.rpartition(b"\n")[0]
        try:
            return head.decode("utf-8").split("\n")
        except UnicodeDecodeError:
            return []

    @cached_property
    def objects(self) -> list[dict[str, Any]]:
        """The JSON objects of the first lines; none if another line comes first."""
        found = []
        for line in filter(str.strip, self.lines):
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                break
            if not isinstance(value, dict):
                break
            found.append(value)
        return found


def is_folder_of(layout: str, path: Path) -> bool:
    """Whether ``path`` is a folder of a layout (``auto``: of any layout) in which a corpus file is a folder."""
    layouts = plugins.names(LAYOUTS) if layout == AUTO else [layout]
    having = [name for name in layouts if plugins.literal(LAYOUTS, name, "FOLDER", default=False)]
    return any(layout_module(name).recognise(Sample(path, {})) is not None for name in having)


def layout_module(name: str) -> ModuleType:
    """The module of a layout; raises UnknownNameError."""
    return plugins.load(LAYOUTS, name, "layout")


def recognised(path: Path, options: Mapping[str, Any]) -> tuple[str, str]:
    """The layout of a file or folder, and the reason.

    Raises CorpusError if it seems to have none or several, SourceError if it cannot be read.
    """
    sample = Sample(path, options)
    found = {}
    for name in plugins.names(LAYOUTS):
        if (reason := layout_module(name).recognise(sample)) is not None:
            found[name] = reason
    if len(found) == 1:
        return next(iter(found.items()))
    if not found:
        raise CorpusError(
            f"{path}: does not look like any known layout ({', '.join(plugins.names(LAYOUTS))}). "
            "Name its layout; docs/data.md describes each"
        )
    fits = " and ".join(f"{name} ({reason})" for name, reason in found.items())
    raise CorpusError(f"{path}: looks like {fits}; name the one that it has")
