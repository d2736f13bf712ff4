"""The encoding of a file, recognised once by how it begins, and its bytes as UTF-8."""

import codecs
import itertools
from collections.abc import Callable, Iterator

from clue_ner.common.errors import CorpusError

MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16's, with which it begins
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""Byte order marks, and what they stand for."""
GUESSES = {"utf-16-le": "UTF-16LE", "utf-16-be": "UTF-16BE", "gb18030": "GB18030 or Big5"}
"""Encodings without a mark that are named in the error for a file that is not UTF-8."""
COMMON = (range(0x4E00, 0xA000), range(0x3000, 0x3040), range(0xFF00, 0xFFF0))
"""Chinese characters and their punctuation: most of what a right guess gives beside ASCII."""
NULS = 0.2
"""UTF-8 text of which more than this share is NUL is taken for UTF-16 without a mark."""


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
    guess = _guess(first)
    if guess is None:
        return "utf-8"
    raise CorpusError(
        f"{name}: not UTF-8, and no byte order mark; it looks like {GUESSES[guess]}. Name its encoding, as with "
        f"--encoding {guess}, or convert it, as with `iconv -f {guess.upper()} -t UTF-8`"
    )


def _guess(first: bytes) -> str | None:
    """The encoding that ``first`` is in, if half of its lines or more are not UTF-8, and none beyond ASCII is."""
    if first.count(0) > NULS * len(first):
        return "utf-16-le" if first[1::2].count(0) >= first[::2].count(0) else "utf-16-be"
    whole = first[: first.rfind(b"\n") + 1] or first
    lines = [line for line in whole.split(b"\n") if line.strip()]
    beyond = [line for line in lines if not line.isascii()]
    if not beyond or 2 * len(beyond) < len(lines) or any(map(_is_utf8, beyond)):
        return None
    for guess in GUESSES:
        end = len(whole) - len(whole) % 2 if guess.startswith("utf-16") else len(whole)
        try:
            others = [ord(char) for char in whole[:end].decode(guess) if not char.isascii()]
        except UnicodeDecodeError:
            continue
        common = sum(any(code in some for some in COMMON) for code in others)
        if others and common >= 0.8 * len(others):
            return guess
    return None


def _is_utf8(line: bytes) -> bool:
    """Whether the line is UTF-8, or the beginning of a line that is."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(line)
    except UnicodeDecodeError:
        return False
    return True
