"""Texts in, one a line or as JSON, while they arrive; records out, as JSON lines.

A line ends with ``\\n`` or ``\\r\\n`` and nothing else: every other character, also U+2028 and a lone ``\\r``, is text.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from io import BufferedIOBase
from typing import Any, NoReturn

from clue_ner.cli import rows
from clue_ner.cli.encodings import as_utf8
from clue_ner.cli.records import TEXT_KEY, Line, record_line, short, wanted
from clue_ner.common.errors import CorpusError
from clue_ner.core.entities import Entity

FORMATS = ("auto", "text", "jsonl", "json", "csv", "parquet")
JSONL_NAMES = (".jsonl", ".ndjson")
PIECE = 2**20
"""Bytes that are read at once, at most; a pipe gives what is there."""
JSON_BEGINS = re.compile(r"\s*(\{\s*(\"|$)|\[\s*([\[{\"]|$))")
"""How JSON over several lines begins."""
AS_TEXT = "or take every line as a text with --format text"


def read_lines(
    stream: BufferedIOBase,
    name: str,
    form: str = "auto",
    key: str = TEXT_KEY,
    encoding: str | None = None,
    note: Callable[[str], None] = lambda message: None,
) -> Iterator[list[Line]]:
    """The lines of a binary stream, in groups: those that have arrived, without waiting for more.

    - ``form`` is one of ``FORMATS``. ``auto`` decides for the whole file, by its name and its first line that is not
      blank: JSON lines, JSON (an array of records or of texts), CSV or Parquet (by the name alone), or text
    - ``key`` is that of a JSON record's text, or the text's column
    - ``encoding`` and ``note`` are as in ``as_utf8``

    Raises CorpusError for a file that looks like JSON or another encoding and cannot be read as such.
    """
    table = form if form in rows.SUFFIXES else rows.table_of(name) if form == "auto" else None
    if table == "parquet":
        yield from rows.parquet(stream, name, key)
        return
    utf8 = as_utf8(_pieces(stream), name, encoding, note)
    if table == "csv":
        yield from rows.csv(utf8, name, key)
        return
    groups = _arriving(utf8)
    number, chosen = 0, form
    if form == "auto":
        begun = _until_not_blank(groups)
        chosen, groups = _form(begun, name, key), itertools.chain([begun], groups)
    if chosen == "json":
        yield _records(b"\n".join(itertools.chain(*groups)), name, key)
        return
    for lines in groups:
        yield [_parse(line, chosen, f"{name}:{at}", key, form) for at, line in enumerate(lines, number + 1)]
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


def _pieces(stream: BufferedIOBase) -> Iterator[bytes]:
    while piece := stream.read1(PIECE):
        yield piece


def _arriving(pieces: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The whole lines of each piece of a stream, without their ends; what has none is the last line."""
    begun: list[bytes] = []
    for piece in pieces:
        whole, end, rest = piece.rpartition(b"\n")
        if end:
            yield [line.removesuffix(b"\r") for line in b"".join([*begun, whole]).split(b"\n")]
            begun = []
        begun.append(rest)
    if last := b"".join(begun):
        yield [last]


def _until_not_blank(groups: Iterator[list[bytes]]) -> list[bytes]:
    """The lines that have arrived when there is one that is not blank, or all of them."""
    lines: list[bytes] = []
    for group in groups:
        lines += group
        if any(line.strip() for line in group):
            break
    return lines


def _form(lines: list[bytes], name: str, key: str) -> str:
    """What the file is that begins with ``lines``: ``jsonl``, ``json`` or ``text``; CorpusError for other JSON."""
    if name.endswith(JSONL_NAMES):
        return "jsonl"
    if lines and lines[0].startswith(b"PAR1"):
        raise CorpusError(f"{name}: begins as a Parquet file does; say so with --format parquet")
    number, first = next(((at, line) for at, line in enumerate(lines, 1) if line.strip()), (1, b""))
    try:
        found = json.loads(first)
    except (ValueError, RecursionError):
        shown = first.decode("utf-8", "replace")
        return "json" if JSON_BEGINS.match(shown) else "text"
    if isinstance(found, dict):
        if not isinstance(found.get(key), str):
            keys = ", ".join(map(str, found)) or "none"
            _refuse(
                f'{name}:{number}: a JSON object without a string "{key}", its keys: {keys}; name it with --text-key'
            )
        return "jsonl"
    if isinstance(found, str):
        _refuse(f"{name}:{number}: a JSON string, wanted JSON objects or plain text; write objects")
    return "json" if isinstance(found, list) else "text"


def _records(content: bytes, name: str, key: str) -> list[Line]:
    """The records of a file that is one JSON array, of objects or of texts."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        _refuse(f"{name}: looks like JSON and is not ({error}); fix it")
    if not isinstance(found, list):
        _refuse(
            f"{name}: one JSON {type(found).__name__}, wanted an array of objects or an object on each line; change it"
        )
    return [
        record_line({key: each} if isinstance(each, str) else each, f"{name}: record {at}", key)
        for at, each in enumerate(found, 1)
    ]


def _refuse(problem: str) -> NoReturn:
    raise CorpusError(f"{problem}, {AS_TEXT}") from None


def _parse(line: bytes, form: str, where: str, key: str, asked: str) -> Line:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"byte {error.start + 1} is 0x{line[error.start]:02x}"
        return Line(
            where, {}, f"{where}: not UTF-8 ({found}); fix the line, or name the file's encoding with --encoding"
        )
    if form == "text":
        if asked == "auto" and text.startswith('{"') and isinstance(_loaded(text), dict):
            return Line(where, {}, f"{where}: a JSON object in a file that begins as text; split the file, {AS_TEXT}")
        return Line(where, {TEXT_KEY: text})
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Line(where, {}, f"{where}: not JSON ({error}), found {short(text)}; {wanted(key)} on each line")
    return record_line(record, where, key)


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
