"""A JSON array that is read element by element, so that memory does not grow with the file."""

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from clue_ner.layouts._json import unique
from clue_ner.layouts._source import Source, short

PIECE = 2**20
"""Maximum number of bytes that are read at once."""
LARGEST = 2**26
"""Maximum number of characters of an element."""

_SPACE = re.compile(r"[ \t\n\r]*")
_BROKEN = "the rest of the file was not read"


def array(source: Source) -> Iterator[tuple[int, Any]]:
    """The elements of a file that is one JSON array, each with the number of the line on which it begins.

    At the first JSON error, the error is reported to ``source`` and reading stops.
    """
    text = _Text(source)
    decoder = json.JSONDecoder(object_pairs_hook=unique)
    if text.next() != "[":
        source.wrong(text.line, f"wanted a JSON array, found {short(text.ahead())}")
        return
    text.skip(1)
    if text.next() == "]":
        return
    while True:
        text.next()
        line = text.line
        try:
            value, end = text.decoded(decoder)
        except (ValueError, RecursionError) as error:
            source.wrong(line, f"not JSON ({error}); {_BROKEN}")
            return
        yield line, value
        text.skip(end)
        mark = text.next()
        if mark not in (",", "]"):
            source.wrong(
                text.line, f"not JSON (wanted , or ] behind an element), found {short(text.ahead())}; {_BROKEN}"
            )
            return
        text.skip(1)
        if mark == "]":
            break
    if text.next():
        source.wrong(text.line, f"not JSON (something behind the array), found {short(text.ahead())}")


class _Text:
    """A buffer over the part of the file that is being parsed."""

    def __init__(self, source: Source) -> None:
        self._pieces = _pieces(source)
        self._buffer = ""
        self._at = 0
        self.line = 1
        """the line number of the next character"""

    def next(self) -> str:
        """Skip white space and return the next character without consuming it; empty at the end."""
        while True:
            found = _SPACE.match(self._buffer, self._at)
            assert found is not None
            self.skip(found.end() - self._at)
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._more():
                return ""

    def skip(self, length: int) -> None:
        """Skip ``length`` characters."""
        self.line += self._buffer.count("\n", self._at, self._at + length)
        self._at += length

    def ahead(self) -> str:
        """The next characters, for a message."""
        return self._buffer[self._at : self._at + 60]

    def decoded(self, decoder: json.JSONDecoder) -> tuple[Any, int]:
        """The JSON value that begins here, and its length; raises ValueError or RecursionError if there is none."""
        while True:
            try:
                value, end = decoder.raw_decode(self._buffer, self._at)
                if end < len(self._buffer) or not self._more():  # the number may continue
                    return value, end - self._at
            except (ValueError, RecursionError) as error:
                length = len(self._buffer) - self._at
                if length > LARGEST:
                    raise ValueError(f"{error}; an element of more than {LARGEST} characters, or without end") from None
                wanted = max(PIECE, 2 * length)
                while len(self._buffer) - self._at < wanted and self._more():
                    pass
                if len(self._buffer) - self._at == length:
                    raise

    def _more(self) -> bool:
        """Read more of the file; False at its end."""
        piece = next(self._pieces, "")
        self._buffer = self._buffer[self._at :] + piece
        self._at = 0
        return bool(piece)


def _pieces(source: Source) -> Iterator[str]:
    """The text of a file; bytes that are not UTF-8 are reported, and reading stops there."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    line = 1
    with source.text() as stream:
        while True:
            piece = stream.read(PIECE)
            try:
                text = decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                good = piece[: error.start].count(b"\n")
                source.wrong(line + good, f"not UTF-8 ({error.reason})")
                return
            line += text.count("\n")
            if text:
                yield text
            if not piece:
                return
