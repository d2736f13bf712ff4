"""Tables as input: CSV with a header, and Parquet; a column has the texts, and the others are kept."""

import csv as table
from collections.abc import Iterable, Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from io import BufferedIOBase, BytesIO
from typing import Any

from clue_ner.cli.records import Line, record_line
from clue_ner.common.errors import CorpusError
from clue_ner.common.extras import explained

SUFFIXES = {"csv": (".csv", ".tsv"), "parquet": (".parquet",)}
"""The kinds of tables and their extensions."""
GROUP = 1000
"""Maximum number of rows in a group."""
LONGEST = 2**26
"""Maximum number of characters of a cell."""
LARGEST = 2**31
"""Maximum number of bytes of an uncompressed row group of Parquet."""
_SEPARATORS = ",\t;"


def table_of(name: str) -> str | None:
    """The kind of table that a file is by its name, if it is one.

    >>> table_of("news.CSV"), table_of("news.txt")
    ('csv', None)
    """
    return next((kind for kind, ends in SUFFIXES.items() if name.lower().endswith(ends)), None)


def csv(pieces: Iterable[bytes], name: str, key: str) -> Iterator[list[Line]]:
    """The rows of a CSV file in UTF-8, in groups; the first line names the columns, with , ; or a tab between them.

    A row that is not UTF-8, or has other cells than the header, is a line with an error. Raises CorpusError where the
    column ``key`` is missing, and where quotes are broken, so that nobody knows where the next row begins.
    """
    if table.field_size_limit() < LONGEST:  # of the whole process; csv's own is 128 KiB
        table.field_size_limit(LONGEST)
    lines = _lines(pieces)
    header = next(lines, "")
    columns = next((found for mark in _SEPARATORS if key in (found := _cells(header, mark))), None)
    if columns is None:
        there = ", ".join(_cells(header, ",")) or "none"
        raise CorpusError(f"{name}:1: no column {key!r}, its columns: {there}; name the text's with --text-key")
    if len(set(columns)) < len(columns):
        raise CorpusError(f"{name}:1: two columns have the same name, found {', '.join(columns)}; rename one")
    separator = next(mark for mark in _SEPARATORS if _cells(header, mark) == columns)
    reader = table.reader(lines, delimiter=separator, strict=True)
    group: list[Line] = []
    try:
        for cells in reader:
            if cells:
                group.append(_row(cells, columns, f"{name}:{reader.line_num + 1}", key))
            if len(group) == GROUP:
                yield group
                group = []
    except table.Error as error:
        raise CorpusError(f"{name}:{reader.line_num + 1}: not CSV ({error}); fix the quotes before it") from None
    yield group


def parquet(stream: BufferedIOBase, name: str, key: str) -> Iterator[list[Line]]:
    """The rows of a Parquet file, in groups. Dates, times and decimals are given as text, as JSON has none.

    Raises CorpusError for a file that cannot be read, or lacks the column ``key``.
    """
    with explained(f"{name}: reading Parquet"):
        import pyarrow
        from pyarrow import parquet as format_

    try:
        file = format_.ParquetFile(stream if stream.seekable() else BytesIO(stream.read()))
        groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
        if any(group.total_byte_size > LARGEST for group in groups):
            raise CorpusError(f"{name}: a row group has more than {LARGEST} bytes; write smaller row groups")
        columns = file.schema_arrow.names
        if key not in columns:
            raise CorpusError(
                f"{name}: no column {key!r}, its columns: {', '.join(columns)}; name the text's with --text-key"
            )
        number = 0
        for batch in file.iter_batches(batch_size=GROUP):
            rows = batch.to_pylist()
            places = (f"{name}: row {number + at}" for at in range(1, len(rows) + 1))
            yield [record_line(_plain(row), where, key) for row, where in zip(rows, places)]
            number += len(rows)
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CorpusError(f"{name}: not Parquet that can be read ({reason})") from None


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Lines with their ends; bytes that are not UTF-8 become lone surrogates."""
    begun = b""
    for piece in pieces:
        *whole, begun = (begun + piece).split(b"\n")
        yield from (line.decode("utf-8", "surrogateescape") + "\n" for line in whole)
    if begun:
        yield begun.decode("utf-8", "surrogateescape")


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(table.reader([line.rstrip("\r\n")], delimiter=separator, strict=True), [])
    except table.Error:
        return []


def _row(cells: list[str], columns: list[str], where: str, key: str) -> Line:
    if len(cells) != len(columns):
        return Line(where, {}, f"{where}: {len(cells)} cells, and the header has {len(columns)}; fix the row")
    if any("\udc80" <= char <= "\udcff" for cell in cells for char in cell):
        return Line(where, {}, f"{where}: not UTF-8; fix the row, or name the file's encoding with --encoding")
    return record_line(dict(zip(columns, cells)), where, key)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: str(v) if isinstance(v, date | time | timedelta | Decimal) else v for name, v in row.items()}
