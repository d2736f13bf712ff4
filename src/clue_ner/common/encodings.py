"""Encodings of text files: byte order marks, and what a file looks like that is not UTF-8."""

import codecs

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


def looks_like(first: bytes) -> str | None:
    """The encoding of a text file by its byte order mark, or else as a whole; None: UTF-8, unknown, or no text."""
    marked = next((name for mark, name in MARKS.items() if first.startswith(mark)), None)
    if marked is not None:
        return None if marked == "utf-8" else marked
    found = guess(first)
    if found is None:
        return None
    text = codecs.getincrementaldecoder(found)("replace").decode(first)
    return found if all(char.isprintable() or char.isspace() for char in text) else None


def iconv(encoding: str) -> str:
    """The command that converts a file in one of the encodings here.

    >>> iconv("utf-16-le"), iconv("gb18030")
    ('iconv -f UTF-16LE -t UTF-8', 'iconv -f GB18030 -t UTF-8')
    """
    return f"iconv -f {encoding.upper().replace('-LE', 'LE').replace('-BE', 'BE')} -t UTF-8"


def guess(first: bytes) -> str | None:
    """The encoding that ``first`` is in, if half of its lines or more are not ASCII, and most of these not UTF-8.

    None if any is Chinese in UTF-8. Two bytes of GB18030 can be UTF-8 by chance, but of other scripts.
    """
    if first.count(0) > NULS * len(first):
        return "utf-16-le" if first[1::2].count(0) >= first[::2].count(0) else "utf-16-be"
    whole = first[: first.rfind(b"\n") + 1] or first
    lines = [line for line in whole.split(b"\n") if line.strip()]
    beyond = [line for line in lines if not line.isascii()]
    if not beyond or 2 * len(beyond) < len(lines):
        return None
    utf8 = [text for line in beyond if (text := _in_utf8(line)) is not None]
    if 2 * len(utf8) > len(beyond) or any(map(_common, utf8)):
        return None
    for name in GUESSES:
        try:
            text = codecs.getincrementaldecoder(name)().decode(whole)
        except UnicodeDecodeError:
            continue
        if _common(text) >= 0.8 * sum(not char.isascii() for char in text) > 0:
            return name
    return None


def _in_utf8(line: bytes) -> str | None:
    """The text of a line that is UTF-8, or the beginning of a line that is; None if it is not."""
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(line)
    except UnicodeDecodeError:
        return None


def _common(text: str) -> int:
    """The number of characters in ``COMMON``."""
    return sum(any(ord(char) in some for some in COMMON) for char in text)
