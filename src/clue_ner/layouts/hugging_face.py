"""A data set of the library datasets, as ``save_to_disk`` leaves it in a folder: text and entities, or tokens and tags.

Tags may be numbers of a ``ClassLabel``. A repository of the hub is downloaded first (``corpora/_hub.py``); JSON lines
with tokens and tags, which many have, are of this layout too.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from clue_ner.common.errors import SourceError
from clue_ner.common.extras import explained
from clue_ner.layouts._check import Record
from clue_ner.layouts._json import objects
from clue_ner.layouts._recognise import Sample
from clue_ner.layouts._source import Raw, Source, short
from clue_ner.layouts._table import raws, tagged_columns
from clue_ner.layouts._write import Target
from clue_ner.layouts.parquet import class_names

TITLE = "a data set of Hugging Face's datasets"
SUFFIXES = (".jsonl",)
FOLDER = True
OPTIONS = (
    "text",
    "entities",
    "token_column",
    "tag_column",
    "scheme",
    "tags",
    "tokens",
    "config",
    "offsets",
    "first",
    "ends",
)
WANTED = (
    "wanted: the columns text and entities, a list of objects with label, start_offset and end_offset, or tokens and "
    "ner_tags; docs/data.md has the layout. Fix the rows and run again"
)


def recognise(sample: Sample) -> str | None:
    """A folder with the metadata files that ``save_to_disk`` writes, or JSON objects with tokens and tags."""
    if sample.path.is_dir():
        there = all((sample.path / name).is_file() for name in ("state.json", "dataset_info.json"))
        return "a folder of Dataset.save_to_disk" if there else None
    tagged = any(tagged_columns(sample.options, record) for record in sample.objects)
    return "JSON lines with tokens and tags" if tagged else None


def read(source: Source) -> Iterator[Raw]:
    """The rows of a data set, numbered from 1, or of JSON lines."""
    if source.path.is_file():
        columns = next((list(row) for _, row in _objects(source.again())), [])
        yield from raws(source, columns, _objects, {})
        return
    source.unit = " row "
    with explained("reading data sets"):
        import datasets
    try:
        found = datasets.load_from_disk(str(source.path))
        if not isinstance(found, datasets.Dataset):
            raise SourceError(f"{source.name}: several splits ({', '.join(found)}); name the folder of one")
        metadata = found.features.arrow_schema.metadata or {}
    except SourceError:
        raise
    except Exception as error:  # the library raises many types for a damaged folder
        source.problems.add(f"{source.name}: not a data set that can be read ({_first_line(error)})")
        return

    source.records = len(found)

    def rows(again: Source) -> Iterator[tuple[int, Mapping[str, Any]]]:
        again.unit = " row "
        plain = found.with_format(None)
        yield from enumerate(plain, 1)

    try:
        yield from raws(source, found.column_names, rows, class_names(metadata))
    except (ValueError, OSError, TypeError, KeyError) as error:
        source.problems.add(f"{source.name}: not a data set that can be read ({_first_line(error)})")


def _objects(source: Source) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line, value in objects(source):
        if isinstance(value, dict):
            yield line, value
        else:
            source.wrong(line, f"wanted an object, found {short(value)}")


def write(records: Iterable[Record], target: Target) -> None:
    """A folder for ``load_from_disk``, with the columns id, text and entities (label, start_offset, end_offset)."""
    with explained("writing data sets"):
        from datasets import Dataset, Features, List, Value, disable_progress_bars
        from datasets.arrow_writer import ArrowWriter
    disable_progress_bars()
    offsets = target.offsets
    text, entities = target.options.get("text", "text"), target.options.get("entities", "entities")
    entity = {
        "label": Value("string"),
        "start_offset": Value("int64"),
        "end_offset": Value("int64"),
        "score": Value("float64"),
    }
    features = Features({"id": Value("string"), text: Value("string"), entities: List(entity)})
    with tempfile.TemporaryDirectory(prefix=".", dir=target.path.parent) as scratch:
        path = Path(scratch) / "rows.arrow"
        writer = ArrowWriter(features=features, path=str(path))
        for record in records:
            sentence = record.sentence
            spans = []
            for one in sentence.entities:
                start, end = offsets.counted(sentence.text, one.start, one.end)
                spans.append({"label": one.type, "start_offset": start, "end_offset": end, "score": one.score})
            writer.write({"id": sentence.id or None, text: sentence.text, entities: spans if record.labelled else None})
        rows, _ = writer.finalize()
        writer.close()
        if rows:
            Dataset.from_file(str(path)).save_to_disk(str(target.path))
        else:
            Dataset.from_dict({name: [] for name in features}, features=features).save_to_disk(str(target.path))


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
