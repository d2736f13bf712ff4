"""CSV with a header: a column of texts and one of entities (each cell a JSON list; an empty cell is unlabelled)."""

import csv
import json
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from typing import Any

from clue_ner.common.json_lines import to_json
from clue_ner.layouts._check import Record
from clue_ner.layouts._json import unique
from clue_ner.layouts._recognise import Sample
from clue_ner.layouts._source import Raw, Source, short
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
    columns = next(iter(_lines(source.again())), (0, []))[1]
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
    entities = source.options.get("entities", "entities")
    lines = _lines(source)
    _, columns = next(lines, (0, []))
    for number, cells in lines:
        if not cells:
            continue
        if len(cells) != len(columns):
            source.wrong(number, f"{len(cells)} cells, and the header has {len(columns)}")
            continue
        row: dict[str, Any] = dict(zip(columns, cells))
        if cell := row.get(entities, ""):
            try:
                row[entities] = json.loads(cell, object_pairs_hook=unique)
            except (ValueError, RecursionError) as error:
                source.wrong(number, f"{entities}: not JSON ({error}), found {short(cell)}")
                continue
        else:
            row[entities] = None
        yield number, row


def _lines(source: Source) -> Iterator[tuple[int, list[str]]]:
    """The cells of each row, the header first, with the number of the last line of the row."""
    if csv.field_size_limit() < LONGEST:  # a setting of the whole process; csv's default is 128 KiB
        csv.field_size_limit(LONGEST)
    wanted = {source.options.get("text", "text")}
    with source.open() as stream:
        text = TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        number = 0
        try:
            header = text.readline()
            rest = csv.reader(text, delimiter=_separator(header, wanted), strict=True)
            yield 1, _columns(header.rstrip("\r\n"), _separator(header, wanted))
            for cells in rest:
                number = rest.line_num
                yield 1 + number, cells
        except (csv.Error, UnicodeDecodeError) as error:
            source.wrong(number + 2, f"not CSV in UTF-8 ({error}); the rest of the file was not read")
        finally:
            text.detach()


def _separator(header: str, wanted: set[str]) -> str:
    """The first separator that splits the header into columns with the wanted names."""
    return next((mark for mark in _SEPARATORS if wanted <= set(_columns(header.rstrip("\r\n"), mark))), ",")


def _columns(header: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([header], delimiter=separator, strict=True), [])
    except csv.Error:
        return []
