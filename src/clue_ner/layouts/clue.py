"""The layout of CLUENER's files, with any types: ``{"text", "label": {type: {surface: [[start, end]]}}}``.

Offsets are code points, end inclusive. A record without ``label`` is unlabelled.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from clue_ner.common.json_lines import to_json
from clue_ner.layouts._check import Record
from clue_ner.layouts._json import Id, json_lines
from clue_ner.layouts._recognise import Sample
from clue_ner.layouts._source import Raw, RawEntity, Source
from clue_ner.layouts._write import Target

TITLE = "CLUENER's layout"
SUFFIXES = (".json", ".jsonl")
OPTIONS = ()
WANTED = (
    'wanted: one JSON object a line, {"text": …, "label": {TYPE: {SURFACE: [[start, end]]}}}, end inclusive; '
    "docs/data.md has the layout. Fix the lines and run again"
)


@with_config(ConfigDict(extra="forbid", strict=True))
class _Sentence(TypedDict):
    id: NotRequired[Id | None]
    text: str
    label: NotRequired[dict[str, dict[str, list[Annotated[list[int], Field(min_length=2, max_length=2)]]]]]


_ADAPTER: TypeAdapter[Any] = TypeAdapter(_Sentence)


def recognise(sample: Sample) -> str | None:
    """Objects whose ``label`` is an object."""
    if any(isinstance(record.get("label"), dict) for record in sample.objects):
        return "JSON lines whose label has types, surfaces and offsets"
    return None


def read(source: Source) -> Iterator[Raw]:
    """The records of a file."""
    for line, record in json_lines(source, _ADAPTER):
        label = record.get("label")
        yield Raw(
            line,
            None if (found := record.get("id")) is None else str(found),
            record["text"],
            None if label is None else list(_entities(label)),
        )


def write(records: Iterable[Record], target: Target) -> None:
    """Writes one line for each sentence."""
    with target.text() as out:
        for record in records:
            target.leaves_out(record, scores=True)
            value: dict[str, Any] = {"id": record.sentence.id} if record.sentence.id else {}
            value["text"] = record.sentence.text
            if record.labelled:
                value["label"] = label_of(record)
            out.write(to_json(value) + "\n")


def label_of(record: Record) -> dict[str, dict[str, list[list[int]]]]:
    """The entities of a sentence by type and surface, ends inclusive."""
    label: dict[str, dict[str, list[list[int]]]] = {}
    for entity in record.sentence.entities:
        surfaces = label.setdefault(entity.type, {})
        surfaces.setdefault(entity.surface(record.sentence.text), []).append([entity.start, entity.end - 1])
    return label


def _entities(label: Any) -> Iterator[RawEntity]:
    for type_, surfaces in label.items():
        for surface, spans in surfaces.items():
            for start, last in spans:
                yield start, last + 1, type_, surface, None
