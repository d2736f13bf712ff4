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
from clue_ner.layouts._source import HEAD, refuse_other_files

LONGEST = 2**24
"""Number of bytes that are examined of a first line that is longer than ``HEAD``."""


class Sample:
    """The name of a file or folder and the beginning of its content."""

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        self.path = path
        self.options = options

    @cached_property
    def head(self) -> bytes:
        """The first bytes, with the whole first line; empty for a folder. Raises SourceError if unreadable."""
        if self.path.is_dir():
            return b""
        try:
            with self.path.open("rb") as stream:
                head = stream.read(HEAD)
                return head if b"\n" in head else head + stream.readline(LONGEST)
        except OSError as error:
            raise SourceError(f"{self.path}: cannot be read ({error.strerror or error})") from None

    @cached_property
    def begin(self) -> str:
        """The first characters; empty if the file is not UTF-8."""
        try:
            return codecs.getincrementaldecoder("utf-8-sig")().decode(self.head)
        except UnicodeDecodeError:
            return ""

    @cached_property
    def lines(self) -> list[str]:
        """The first lines, without one that may be cut; none if the file is no text in UTF-8."""
        lines = self.begin.split("\n")
        return lines[:-1] if len(self.head) >= HEAD and len(lines) > 1 else lines

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
    if found:
        fits = " and ".join(f"{name} ({reason})" for name, reason in found.items())
        raise CorpusError(f"{path}: looks like {fits}; name the one that it has")
    refuse_other_files(sample.head, str(path))
    raise CorpusError(
        f"{path}: does not look like any known layout ({', '.join(plugins.names(LAYOUTS))})"
        f"{_what_it_is(sample)}. Name its layout; docs/data.md describes each"
    )


def _what_it_is(sample: Sample) -> str:
    """A hint about a file or folder without a known layout, as a part of a message."""
    if sample.path.is_dir():
        folders = sorted(path.name for path in sample.path.iterdir() if path.is_dir() and is_folder_of(AUTO, path))
        return f"; it is a folder with {', '.join(folders)}: name one of them" if folders else "; it is a folder"
    if not sample.head.strip():
        return "; it is empty"
    if sample.begin.lstrip().startswith("["):
        return f"; it is a JSON array: write one object per line, for example with `jq -c '.[]' {sample.path} > NEW`"
    if sample.objects:
        return f"; its JSON objects have the keys {', '.join(sample.objects[0])}: option text names the key of the text"
    return ""
