"""clue-ner's own JSON lines: ``{"id", "text", "entities": [{"type", "start", "end", "text", "score"}]}``.

Offsets are code points, end exclusive, unless the options say otherwise; ``id`` (a text or an integer), ``text`` of an
entity, its surface, and ``score``, which ``clue-ner tag`` writes, may be left out. A record without ``entities`` is
unlabelled. ``uncertainty`` and ``model``, which ``clue-ner tag`` adds if asked to, are counted and not kept. No other
key is allowed, so that a misspelt one is not lost.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from clue_ner.common.json_lines import to_json
from clue_ner.core.entities import Entity
from clue_ner.layouts._check import Record
from clue_ner.layouts._json import Id, json_lines
from clue_ner.layouts._offsets import Offsets
from clue_ner.layouts._recognise import Sample
from clue_ner.layouts._source import Raw, RawEntity, Source
from clue_ner.layouts._write import Target

TITLE = "clue-ner's JSON lines format"
SUFFIXES = (".jsonl", ".ndjson", ".json")
OPTIONS = ("offsets", "first", "ends", "text")
WANTED = (
    'wanted: one JSON object a line, {"text": …, "entities": [{"type": …, "start": …, "end": …}]}, end exclusive; '
    "docs/data.md has the format. Fix the lines and run again"
)

BESIDE = "uncertainties and models, which clue-ner tag wrote beside"

_OTHERS = {"label", "labels", "annotations", "relations", "Comments"}
"""Keys of records in doccano's and CLUENER's layouts."""
_BESIDE = {"uncertainty": NotRequired[float], "model": NotRequired[dict[str, str | None]]}
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


@with_config(_STRICT)
class _Entity(TypedDict):
    type: str
    start: int
    end: int
    text: NotRequired[str | None]
    score: NotRequired[Annotated[float, Field(ge=0, le=1)] | None]


def recognise(sample: Sample) -> str | None:
    """Objects with a text, and with entities that have a type, or none at all."""
    for record in sample.objects:
        entities = record.get("entities")
        if not isinstance(record.get(sample.options.get("text", "text")), str) or record.keys() & _OTHERS:
            return None
        if isinstance(entities, list) and entities:
            has_type = isinstance(entities[0], dict) and "type" in entities[0]
            return "JSON lines whose entities have a type" if has_type else None
    return "JSON lines with texts" if sample.objects else None


def read(source: Source) -> Iterator[Raw]:
    """The records of a file."""
    key = source.options.get("text", "text")
    for line, record in json_lines(source, _adapter(key), _keys):
        found, entities = record.get("id"), record.get("entities")
        spans: list[RawEntity] | None = None
        if entities is not None:
            spans = [(one["start"], one["end"], one["type"], one.get("text"), one.get("score")) for one in entities]
        if len(record) > 2:
            source.counts[BESIDE] += len(_BESIDE.keys() & record.keys() - {key})
        yield Raw(line, None if found is None else str(found), record[key], spans)


def write(records: Iterable[Record], target: Target) -> None:
    """Writes one line for each sentence."""
    key, offsets = target.options.get("text", "text"), target.offsets
    with target.text() as out:
        for record in records:
            sentence = record.sentence
            value: dict[str, Any] = {"id": sentence.id} if sentence.id else {}
            value[key] = sentence.text
            if record.labelled:
                value["entities"] = [entity_record(sentence.text, entity, offsets) for entity in sentence.entities]
            out.write(to_json(value) + "\n")


def entity_record(text: str, entity: Entity, offsets: Offsets) -> dict[str, Any]:
    """An entity with its surface, and its score if it has one, as plain JSON values."""
    start, end = offsets.counted(text, entity.start, entity.end)
    record = {"type": entity.type, "start": start, "end": end, "text": entity.surface(text)}
    return record if entity.score is None else {**record, "score": entity.score}


def _keys(record: Any) -> int:
    return len(record) + sum(map(len, record.get("entities", ())))


def _adapter(key: str) -> TypeAdapter[Any]:
    """The schema of a record whose text has the key ``key``."""
    fields: dict[str, Any] = {**_BESIDE, "id": NotRequired[Id | None], key: str, "entities": NotRequired[list[_Entity]]}
    return TypeAdapter(with_config(_STRICT)(TypedDict("_Sentence", fields)))  # type: ignore[operator]
