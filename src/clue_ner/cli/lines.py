"""Texts in, one a line, while they arrive; records out, as JSON lines.

A line ends with ``\\n`` or ``\\r\\n`` and nothing else: every other character, also U+2028 and a lone ``\\r``, is text.
"""

import codecs
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Any

from clue_ner.core.entities import Entity

FORMATS = ("auto", "text", "jsonl")
JSONL_NAMES = (".jsonl", ".ndjson")
PIECE = 2**20
"""Bytes that are read at once, at most; a pipe gives what is there."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of input as a record ``{"text": …}`` with whatever else it had, or the reason why it is none."""

    where: str
    """``file:line``, counted from 1"""
    record: dict[str, Any]
    error: str | None = None

    @property
    def text(self) -> str:
        """The text; empty if the line is no record."""
        return str(self.record.get("text", ""))


def read_lines(stream: BufferedIOBase, name: str, form: str = "auto") -> Iterator[list[Line]]:
    """The lines of a binary stream, in groups: those that have arrived, without waiting for more.

    ``form`` is one of ``FORMATS``: ``auto`` takes a file for JSON lines if its name says so (``JSONL_NAMES``) or if its
    first line is a JSON object with a text, else for text. A UTF-8 byte order mark at the beginning is removed.
    """
    number = 0
    for lines in _arriving(stream):
        if number == 0:
            lines[0] = lines[0].removeprefix(codecs.BOM_UTF8)
            if form == "auto":
                form = "jsonl" if name.endswith(JSONL_NAMES) or not _parse(lines[0], "jsonl", "").error else "text"
        yield [_parse(line, form, f"{name}:{number}") for number, line in enumerate(lines, number + 1)]
        number += len(lines)


def tagged(line: Line, entities: Iterable[Entity]) -> dict[str, Any]:
    """What is written for a line: its record with the entities of its text, or ``{"error": …}``."""
    if line.error is not None:
        return {"error": line.error}
    return {**line.record, "entities": [entity_record(line.text, entity) for entity in entities]}


def entity_record(text: str, entity: Entity) -> dict[str, Any]:
    """An entity with its surface, as plain JSON values.

    >>> entity_record("他在招商银行上班", Entity(2, 6, "company", 0.98))
    {'type': 'company', 'start': 2, 'end': 6, 'text': '招商银行', 'score': 0.98}
    """
    return {
        "type": entity.type,
        "start": entity.start,
        "end": entity.end,
        "text": entity.surface(text),
        "score": entity.score,
    }


def to_json(value: Any) -> str:
    """JSON on one line that UTF-8 can say: only a value with lone surrogates is written with escapes."""
    line = json.dumps(value, ensure_ascii=False)
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value)
    return line


def _arriving(stream: BufferedIOBase) -> Iterator[list[bytes]]:
    """The whole lines of each piece of a stream, without their ends; what has none is the last line."""
    pieces: list[bytes] = []
    while piece := stream.read1(PIECE):
        whole, end, rest = piece.rpartition(b"\n")
        if end:
            yield [line.removesuffix(b"\r") for line in b"".join([*pieces, whole]).split(b"\n")]
            pieces = []
        pieces.append(rest)
    if last := b"".join(pieces):
        yield [last]


def _parse(line: bytes, form: str, where: str) -> Line:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"byte {error.start + 1} is 0x{line[error.start]:02x}"
        return Line(where, {}, f"{where}: not UTF-8 ({found}); convert it, as with `iconv -f GB18030 -t UTF-8`")
    if form == "text":
        return Line(where, {"text": text})
    wanted = 'wanted one JSON object with a string "text" on each line'
    try:
        record = json.loads(text)
        json.dumps(record, allow_nan=False)  # NaN, Infinity and 1e999, and depths that could not be written again
    except (ValueError, RecursionError) as error:
        return Line(where, {}, f"{where}: not JSON ({error}), found {_short(text)}; {wanted}")
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        return Line(where, {}, f"{where}: no text in it, found {_short(text)}; {wanted}")
    return Line(where, record)


def _short(text: str) -> str:
    shown = repr(text[:60])
    return shown if len(text) <= 60 else f"{shown}…"
