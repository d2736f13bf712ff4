"""The encoding of a file, recognised once by how it begins, and its bytes as UTF-8."""

import codecs
import itertools
from collections.abc import Callable, Iterator

from clue_ner.common.encodings import GUESSES, MARKS, guess, iconv
from clue_ner.common.errors import CorpusError


def as_utf8(pieces: Iterator[bytes], name: str, encoding: str | None, note: Callable[[str], None]) -> Iterator[bytes]:
    """The bytes of ``pieces`` in UTF-8, without a byte order mark at the beginning, as they arrive.

    ``encoding`` is what the user named; None: UTF-8, or as the mark shows, which is passed to ``note``. Raises
    CorpusError for a file that looks like another encoding as a whole, and where bytes are not of the encoding.
    """
    first = _beginning(pieces)
    mark = next((mark for mark in MARKS if first.startswith(mark)), b"")
    if encoding is None:
        encoding = MARKS[mark] if mark else _checked(first, name)
        if encoding != "utf-8":
            note(f"{name}: read as {encoding.upper()}, by its byte order mark")
    if mark and codecs.lookup(encoding).name in (MARKS[mark], MARKS[mark][:6]):
        first = first[len(mark) :]
        encoding = MARKS[mark]
    if codecs.lookup(encoding).name == "utf-8":
        yield first  # a line that is not UTF-8 is reported by itself
        yield from pieces
        return
    decoder, line = codecs.getincrementaldecoder(encoding)(), 1
    for piece in itertools.chain([first], pieces, [b""]):
        try:
            text = decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            line += piece[: error.start].decode(encoding, "ignore").count("\n")
            raise CorpusError(
                f"{name}:{line}: not {encoding} (byte 0x{error.object[error.start]:02x}); "
                "fix the line, or name another encoding with --encoding"
            ) from None
        line += text.count("\n")
        yield text.encode("utf-8", "surrogatepass")


def _beginning(pieces: Iterator[bytes]) -> bytes:
    """The first piece, and as much more as a byte order mark needs to be seen."""
    first = next(pieces, b"")
    while any(mark.startswith(first) for mark in MARKS) and (more := next(pieces, b"")):
        first += more
    return first


def _checked(first: bytes, name: str) -> str:
    """``utf-8``, unless the beginning of the file is another encoding as a whole: then CorpusError names it."""
    found = guess(first)
    if found is None:
        return "utf-8"
    raise CorpusError(
        f"{name}: not UTF-8, and no byte order mark; it looks like {GUESSES[found]}. Name its encoding, as with "
        f"--encoding {found}, or convert it, as with `{iconv(found)}`"
    )
