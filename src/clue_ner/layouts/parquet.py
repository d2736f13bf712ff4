"""Parquet: a column of texts and one of entities (lists of objects), or of tokens and tags, as in files of the hub."""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from clue_ner.common.errors import CorpusError
from clue_ner.common.extras import explained
from clue_ner.layouts._check import Record
from clue_ner.layouts._recognise import Sample
from clue_ner.layouts._source import Raw, Source
from clue_ner.layouts._table import raws
from clue_ner.layouts._write import Target
from clue_ner.layouts.jsonl import entity_record

TITLE = "Parquet"
SUFFIXES = (".parquet",)
OPTIONS = ("text", "entities", "token_column", "tag_column", "scheme", "tags", "tokens", "offsets", "first", "ends")
WANTED = (
    "wanted: the columns text and entities, a list of objects with type, start and end, or tokens and ner_tags; "
    "docs/data.md has the layout. Fix the rows and run again"
)
ROWS = 1000
"""Number of rows that are read and written at once."""
LARGEST = 2**31
"""Maximum number of bytes of an uncompressed row group."""


def recognise(sample: Sample) -> str | None:
    """A file that begins with the magic bytes of Parquet."""
    return "a Parquet file" if sample.head.startswith(b"PAR1") else None


def read(source: Source) -> Iterator[Raw]:
    """The rows of a file, numbered from 1."""
    source.unit = " row "
    with explained("reading Parquet"):
        import pyarrow
        from pyarrow import parquet

    def rows(again: Source) -> Iterator[tuple[int, Mapping[str, Any]]]:
        again.unit = " row "
        number = 0
        with again.open() as stream:
            for batch in parquet.ParquetFile(stream).iter_batches(batch_size=ROWS):
                for row in _values(batch):
                    number += 1
                    yield number, row

    try:
        with source.open() as stream:
            file = parquet.ParquetFile(stream)
            groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
            if any(group.total_byte_size > LARGEST for group in groups):
                raise CorpusError(f"{source.name}: a row group has more than {LARGEST} bytes; write smaller row groups")
            source.records = file.metadata.num_rows
            columns, names = file.schema_arrow.names, class_names(file.schema_arrow.metadata or {})
        yield from raws(source, columns, rows, names)
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        source.problems.add(f"{source.name}: not Parquet that can be read ({_first_line(error)})")


def class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """The class names of integer columns, from the metadata that the library datasets writes.

    The keys are columns; ``entities.label`` is the key ``label`` of the objects in column ``entities``.
    """
    try:
        return dict(_class_names("", json.loads(metadata[b"huggingface"])["info"]["features"]))
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}


def _class_names(name: str, feature: Any) -> Iterator[tuple[str, list[str]]]:
    if isinstance(feature, list) and len(feature) == 1:  # as older versions note a list
        yield from _class_names(name, feature[0])
    if not isinstance(feature, dict):
        return
    if "_type" not in feature:
        for key, inner in feature.items():
            yield from _class_names(f"{name}.{key}".removeprefix("."), inner)
    names = feature.get("names")
    if feature.get("_type") == "ClassLabel" and isinstance(names, list) and all(isinstance(one, str) for one in names):
        yield name, names
    else:
        yield from _class_names(name, feature.get("feature"))


def write(records: Iterable[Record], target: Target) -> None:
    """Columns id, text and entities."""
    with explained("writing Parquet"):
        import pyarrow
        from pyarrow import parquet

    text, entities, offsets = (
        target.options.get("text", "text"),
        target.options.get("entities", "entities"),
        target.offsets,
    )
    entity = pyarrow.struct(
        [
            ("type", pyarrow.string()),
            ("start", pyarrow.int64()),
            ("end", pyarrow.int64()),
            ("text", pyarrow.string()),
            ("score", pyarrow.float64()),
        ]
    )
    schema = pyarrow.schema([("id", pyarrow.string()), (text, pyarrow.string()), (entities, pyarrow.list_(entity))])
    rows = (
        {
            "id": record.sentence.id or None,
            text: record.sentence.text,
            entities: [entity_record(record.sentence.text, one, offsets) for one in record.sentence.entities]
            if record.labelled
            else None,
        }
        for record in records
    )
    with parquet.ParquetWriter(target.path, schema) as writer:
        while some := list(islice(rows, ROWS)):
            writer.write_batch(pyarrow.RecordBatch.from_pylist(some, schema=schema))


def _values(batch: Any) -> Iterator[dict[str, Any]]:
    """The rows of a batch one by one, so that a value shared by many rows is not created for all of them at once."""
    columns = [batch.column(name) for name in batch.schema.names]
    for index in range(batch.num_rows):
        yield {name: column[index].as_py() for name, column in zip(batch.schema.names, columns)}


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
