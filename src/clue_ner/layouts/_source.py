"""A file to be read by a layout: its bytes, its options, and the problems found in it."""

import codecs
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader, BytesIO
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

from clue_ner.common.encodings import GUESSES, iconv, looks_like
from clue_ner.common.errors import CorpusError, SourceError
from clue_ner.common.problems import Problems
from clue_ner.layouts._offsets import Offsets

HEAD = 2**16
"""Bytes of a file by which its encoding and its layout are recognised."""
_PACKED = {b"PK\x03\x04": "a ZIP archive", b"\x1f\x8b": "a gzip file"}

RawEntity = tuple[int, int, str, str | None, float | None]
"""start, end, type, surface or None, score or None"""


class Raw(NamedTuple):
    """A record of a file. Its values have the right types, but are not yet checked against each other."""

    line: int
    """the number of its line (record, row), counted from 1"""
    id: str | None
    text: str
    entities: list[RawEntity] | None
    """offsets in the unit of the file; None: the record is unlabelled"""


class Source:
    """A file or folder to read, or ``content`` in memory with the name ``name``."""

    def __init__(
        self, name: str, path: Path | None = None, options: Mapping[str, Any] | None = None, content: bytes = b""
    ) -> None:
        self.name = name
        self._path = path
        self._content = content
        self.options = options or {}
        self.problems = Problems()
        self.counts: Counter[str] = Counter()
        """how often something was left out or changed on reading, by description"""
        self.unit = ":"
        """text between the file's name and a record's number in messages"""
        self.names: dict[int, str] = {}
        """names of records in messages, for folders in which each record is a file"""
        self.misplaced = 0
        """entities whose surface is not at their offsets"""
        self.records = 0
        """the number of records; 0 if unknown"""
        self._stream: IO[bytes] | None = None

    @property
    def path(self) -> Path:
        """The path; only for a source that is not in memory."""
        assert self._path is not None
        return self._path

    def again(self) -> "Source":
        """The same source without problems and counts."""
        return Source(self.name, self._path, self.options, self._content)

    @property
    def offsets(self) -> Offsets:
        """The unit and base of the file's offsets."""
        return Offsets.of(self.options)

    def where(self, line: int) -> str:
        """The name of the record with this number in messages."""
        return self.names.get(line) or f"{self.name}{self.unit}{line}"

    def share(self, line: int) -> float | None:
        """How much has been read when the record of this number has been, 0 to 1; None if that is not known."""
        if self.records:
            return line / self.records
        size = self._path.stat().st_size if self._path is not None else 0
        return self._stream.tell() / size if self._stream is not None and not self._stream.closed and size else None

    def wrong(self, line: int, problem: str) -> None:
        """Report that a record cannot be read."""
        self.problems.add(f"{self.where(line)}: {problem}")

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The bytes as a stream; raises SourceError if there are none to read."""
        if self._path is None:
            yield BytesIO(self._content)
            return
        try:
            with self._path.open("rb", buffering=HEAD) as stream:
                self._stream = stream
                yield stream
        except OSError as error:
            raise SourceError(f"{self.name}: cannot be read ({error.strerror or error})") from None

    @contextmanager
    def text(self) -> Iterator[IO[bytes]]:
        """As ``open``, of a file that is text; raises CorpusError if it is packed or not in UTF-8 as a whole."""
        with self.open() as stream:
            if isinstance(stream, BufferedReader):
                refuse_other_files(stream.peek(HEAD), self.name)
            yield stream

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """The lines with their numbers, without the final ``\\n`` and without the byte order mark of UTF-8."""
        return ((number, line.removesuffix(b"\n")) for number, line in enumerate(self.whole_lines(), 1))

    def whole_lines(self) -> Iterator[bytes]:
        """The lines with the final ``\\n``, without the byte order mark of UTF-8."""
        with self.text() as stream:
            for first in islice(stream, 1):
                yield first.removeprefix(codecs.BOM_UTF8)
            yield from stream


def refuse_other_files(first: bytes, name: str) -> None:
    """Raise CorpusError if a file that begins with ``first`` is compressed, or text in another encoding than UTF-8."""
    for start, what in _PACKED.items():
        if first.startswith(start):
            raise CorpusError(f"{name}: {what}; unpack it and name the file in it")
    if (found := looks_like(first)) is not None:
        raise CorpusError(
            f"{name}: not UTF-8; it looks like {GUESSES.get(found, found.upper())}. Convert it, for example with "
            f"`{iconv(found)} {name} > NEW`"
        )


def short(value: Any) -> str:
    """A value as text for a message."""
    try:
        shown = repr(value)
    except (ValueError, RecursionError):
        return "what is too large or too deep to be shown"
    return shown if len(shown) <= 60 else f"{shown[:60]}…"
