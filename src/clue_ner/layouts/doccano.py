"""doccano's JSON lines: ``{"text", "label": [[start, end, type]]}``, or ``entities`` with offsets and ``relations``.

Older versions use the keys ``labels`` for the label list and ``data`` for the text. Offsets are code points, end
exclusive.
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

TITLE = "doccano's JSON lines"
SUFFIXES = (".jsonl", ".ndjson", ".json")
OPTIONS = ("offsets", "first", "ends", "text")
WANTED = (
    'wanted: one JSON object a line, {"text": …, "label": [[start, end, type]]}, or "entities" with label, '
    "start_offset and end_offset, as doccano exports them; docs/data.md has the layout. Fix the lines and run again"
)
RELATIONS = "relations"

_STRICT = ConfigDict(extra="ignore", strict=True)
_KNOWN = {"id", "label", "labels", "entities", "relations"}


@with_config(_STRICT)
class _Entity(TypedDict):
    label: str
    start_offset: int
    end_offset: int


_Triple = Annotated[list[int | str], Field(min_length=3, max_length=3)]


def recognise(sample: Sample) -> str | None:
    """Objects with a list of triples as ``label``, or entities with ``start_offset``."""
    for record in sample.objects:
        labels, entities = record.get("label", record.get("labels")), record.get("entities")
        if isinstance(labels, list) and all(isinstance(label, list) and len(label) == 3 for label in labels):
            return "JSON lines with a list of labels"
        if isinstance(entities, list) and entities:
            has_offset = isinstance(entities[0], dict) and "start_offset" in entities[0]
            return "JSON lines whose entities have a label and offsets" if has_offset else None
    return None


def read(source: Source) -> Iterator[Raw]:
    """The records of a file."""
    asked = source.options.get("text")
    for line, record in json_lines(source, _ADAPTER):
        key = asked or ("text" if "text" in record else "data")
        text = record.get(key)
        if not isinstance(text, str):
            source.wrong(line, f"lacks {key!r}" if key not in record else f"{key}: wanted a text")
            continue
        source.counts["keys that are not read"] += len(record.keys() - _KNOWN - {key})
        source.counts[RELATIONS] += len(record.get("relations") or ())
        listed = record.get("label", record.get("labels"))
        entities = record.get("entities") if listed is None else None
        try:
            spans = None if listed is None is entities else [*map(_triple, listed or ()), *map(_entity, entities or ())]
        except TypeError:
            source.wrong(line, "label: wanted a list of [start, end, type]")
            continue
        yield Raw(line, None if (found := record.get("id")) is None else str(found), text, spans)


def write(records: Iterable[Record], target: Target) -> None:
    """Writes one line for each sentence, with triples."""
    key, offsets = target.options.get("text", "text"), target.offsets
    with target.text() as out:
        for record in records:
            sentence = record.sentence
            target.leaves_out(record, scores=True)
            value: dict[str, Any] = {"id": sentence.id} if sentence.id else {}
            value[key] = sentence.text
            if record.labelled:
                value["label"] = [
                    [*offsets.counted(sentence.text, entity.start, entity.end), entity.type]
                    for entity in sentence.entities
                ]
            out.write(to_json(value) + "\n")


def _triple(label: list[Any]) -> RawEntity:
    start, end, type_ = label
    if type(start) is not int or type(end) is not int or not isinstance(type_, str):
        raise TypeError
    return start, end, type_, None, None


def _entity(entity: Any) -> RawEntity:
    return entity["start_offset"], entity["end_offset"], entity["label"], None, None


@with_config(_STRICT)
class _Known(TypedDict):
    id: NotRequired[Id | None]
    label: NotRequired[list[_Triple]]
    labels: NotRequired[list[_Triple]]
    entities: NotRequired[list[_Entity]]
    relations: NotRequired[list[Any] | None]


_ADAPTER: TypeAdapter[Any] = TypeAdapter(with_config(ConfigDict(extra="allow", strict=True))(_Known))
