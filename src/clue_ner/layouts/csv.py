"""CSV with a header: a column of texts and one of entities (each cell a JSON list; an empty cell is unlabelled)."""

import csv
from collections.abc import Iterable, Iterator
from typing import Any

from clue_ner.common.json_lines import to_json
from clue_ner.layouts._check import Record
from clue_ner.layouts._recognise import Sample
from clue_ner.layouts._source import Raw, Source
from clue_ner.layouts._table import raws
from clue_ner.layouts._write import Target
from clue_ner.layouts.jsonl import entity_record

TITLE = "CSV"
SUFFIXES = (".csv", ".tsv")
OPTIONS = ("text", "entities", "offsets", "first", "ends")
WANTED = (
    'wanted: a header with the columns text and entities, whose cells are JSON, [{"type": …, "start": …, "end": …}]; '
    "docs/data.md has the layout. Fix the rows and run again"
)
LONGEST = 2**26
"""Maximum number of characters of a cell."""

_BROKEN = "the rest of the file was not read"
_SEPARATORS = ",\t;"


def recognise(sample: Sample) -> str | None:
    """A header with a column for the text and one for entities."""
    header = sample.lines[0].rstrip("\r") if sample.lines else ""
    wanted = {sample.options.get("text", "text"), sample.options.get("entities", "entities")}
    if wanted <= set(_columns(header, _separator(header, wanted))):
        return "a header with the columns " + " and ".join(sorted(wanted))
    return None


def read(source: Source) -> Iterator[Raw]:
    """The rows of a file."""
    first = source.again()
    columns = next(iter(_lines(first)), (0, []))[1]
    source.problems.join(first.problems)
    if not first.problems.count:
        yield from raws(source, columns, _rows, {})


def write(records: Iterable[Record], target: Target) -> None:
    """Columns id, text and entities."""
    offsets = target.offsets
    with target.text() as out:
        writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(["id", target.options.get("text", "text"), target.options.get("entities", "entities")])
        for record in records:
            sentence = record.sentence
            entities = [entity_record(sentence.text, entity, offsets) for entity in sentence.entities]
            writer.writerow([sentence.id, sentence.text, to_json(entities) if record.labelled else ""])


def _rows(source: Source) -> Iterator[tuple[int, dict[str, Any]]]:
    lines = _lines(source)
    _, columns = next(lines, (0, []))
    for number, cells in lines:
        if not cells:
            continue
        if len(cells) != len(columns):
            source.wrong(number, f"{len(cells)} cells, and the header has {len(columns)}")
            continue
        yield number, dict(zip(columns, cells))


def _lines(source: Source) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row, the header first, with the number of the last line of the row."""
    if csv.field_size_limit() < LONGEST:  # a setting of the whole process; csv's default is 128 KiB
        csv.field_size_limit(LONGEST)
    wanted = {source.options.get("text", "text")}
    number = 0
    try:
        lines = _decoded(source)
        header = next(lines, "")
        separator = _separator(header, wanted)
        yield 1, _columns(header.rstrip("\r\n"), separator)
        rows = csv.reader(lines, delimiter=separator, strict=True)
        for cells in rows:
            number = rows.line_num
            yield 1 + number, cells
    except csv.Error as error:
        source.wrong(number + 2, f"not CSV ({error}); {_BROKEN}")
    except _EncodingError as error:
        source.wrong(error.line, f"not UTF-8 ({error}); {_BROKEN}")


class _EncodingError(Exception):
    """What is wrong with the bytes of a line."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def _decoded(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.whole_lines(), 1):
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _EncodingError(number, error.reason) from None


def _separator(header: str, wanted: set[str]) -> str:
    """The first separator that splits the header into columns with the wanted names."""
    return next((mark for mark in _SEPARATORS if wanted <= set(_columns(header.rstrip("\r\n"), mark))), ",")


def _columns(header: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([header], delimiter=separator, strict=True), [])
    except csv.Error:
        return []
