"""doccano's JSON lines: ``{"text", "label": [[start, end, type]]}``, or ``entities`` with offsets and ``relations``.

Depending on the version and the kind of project, the list has the key ``label``, ``labels``, ``entities`` or
``annotations`` and contains triples or objects, and the text has the key ``text`` or ``data``. Offsets are code points,
end exclusive.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from clue_ner.common.json_lines import to_json
from clue_ner.layouts._check import Record
from clue_ner.layouts._json import Id, json_lines, one_message
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
_LISTS = ("label", "labels", "entities", "annotations")
_KNOWN = {"id", "relations", *_LISTS}


@with_config(_STRICT)
class _Entity(TypedDict):
    id: NotRequired[Any]
    label: str
    start_offset: int
    end_offset: int


_Span = Annotated[
    Annotated[list[int | str], Field(min_length=3, max_length=3)] | _Entity,
    one_message("wanted [start, end, type], or an object with label (a text), start_offset and end_offset"),
]


def recognise(sample: Sample) -> str | None:
    """Objects with a list of triples or of entities with ``start_offset``, or what only doccano writes beside."""
    for record in sample.objects:
        if not isinstance(record.get(sample.options.get("text", "text"), record.get("data")), str):
            return None
        labels = record.get("label", record.get("labels"))
        if any(isinstance(record.get(key), list) for key in ("relations", "Comments")) or (
            isinstance(labels, list) and all(isinstance(one, list | dict) for one in labels)
        ):
            return "JSON lines with a list of labels, relations or comments"
        for spans in (record.get("entities"), record.get("annotations")):
            if isinstance(spans, list) and spans:
                triple = isinstance(spans[0], list) and len(spans[0]) == 3
                has_offset = isinstance(spans[0], dict) and "start_offset" in spans[0]
                return "JSON lines whose entities have a label and offsets" if triple or has_offset else None
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
        lists = [name for name in _LISTS if record.get(name) is not None]
        if len(lists) > 1:
            source.wrong(line, f"has {' and '.join(lists)}, wanted one of them; remove the others")
            continue
        try:
            spans = list(map(_entity, record[lists[0]])) if lists else None
        except TypeError:
            source.wrong(line, f"{lists[0]}: wanted a list of [start, end, type]")
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


def _entity(span: Any) -> RawEntity:
    start, end, type_ = span if isinstance(span, list) else (span["start_offset"], span["end_offset"], span["label"])
    if type(start) is not int or type(end) is not int or not isinstance(type_, str):
        raise TypeError
    return start, end, type_, None, None


@with_config(_STRICT)
class _Known(TypedDict):
    id: NotRequired[Id | None]
    label: NotRequired[list[_Span] | None]
    labels: NotRequired[list[_Span] | None]
    entities: NotRequired[list[_Span] | None]
    annotations: NotRequired[list[_Span] | None]
    relations: NotRequired[list[Any] | None]


_ADAPTER: TypeAdapter[Any] = TypeAdapter(with_config(ConfigDict(extra="allow", strict=True))(_Known))
