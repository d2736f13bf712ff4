"""Records to sentences: every one checked, all problems in one message."""

import codecs
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.offsets import PLAIN, Offsets, described
from clue_ner.corpora._offsets import Span


class Strict(BaseModel):
    """A record with exactly these keys, each of exactly this type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class EntityRecord(Strict):
    """A typed span; ``text``, if given, has to be its surface."""

    type: Annotated[str, Field(pattern=r"^\S+$")]
    start: int
    end: int
    text: str | None = None


class SentenceRecord(Strict):
    """A line of a JSON lines corpus."""

    id: Annotated[str, Field(min_length=1)] | None = None
    text: Annotated[str, Field(min_length=1)]
    entities: list[EntityRecord]


Row = tuple[str, Any]
"""Where a record stands (``file:line``), and the record as plain JSON values."""


def json_lines(content: bytes, name: str, problems: list[str]) -> Iterator[Row]:
    """The records of a JSON lines file (UTF-8); a line that is not JSON becomes a problem."""
    lines = content.removeprefix(codecs.BOM_UTF8).split(b"\n")
    if not lines[-1]:
        lines.pop()
    for number, line in enumerate(lines, 1):
        try:
            yield f"{name}:{number}", json.loads(line.decode("utf-8"), object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            problems.append(f"{name}:{number}: not JSON ({error}), found {_short(line.decode('utf-8', 'replace'))}")


def to_sentences(
    rows: Iterable[Row],
    split: str,
    problems: list[str],
    convert: Callable[[int, Any], Any] = lambda _, value: value,
    offsets: Offsets = PLAIN,
    spans: list[Span] | None = None,
) -> list[Sentence]:
    """The sentences of the records that are right; ``problems`` gets a line for each thing that is wrong.

    ``convert(index, value)`` turns a record of another format into one that SentenceRecord takes, or raises
    pydantic's ValidationError. A record without id gets ``SPLIT-INDEX``, counted from 0. ``offsets`` is how the records
    count; ``spans``, if given, gets every entity as they have it.
    """
    sentences: list[Sentence] = []
    ids: dict[str, str] = {}
    for index, (where, value) in enumerate(rows):
        try:
            record = SentenceRecord.model_validate(convert(index, value))
        except ValidationError as error:
            problems.extend(f"{where}: {_explain(detail)}" for detail in error.errors())
            continue
        if spans is not None:
            spans.extend(Span(record.text, entity.start, entity.end, entity.text) for entity in record.entities)
        sentence_id = f"{split}-{index}" if record.id is None else record.id
        if sentence_id in ids:
            problems.append(
                f"{where}: id {sentence_id!r} is that of {ids[sentence_id]} already; ids are unique in a split"
            )
        ids[sentence_id] = where
        wrong: list[str] = []
        entities = sorted(_entities(record, offsets, wrong))
        problems.extend(f"{where}: {problem}" for problem in wrong)
        sentences.append(Sentence(sentence_id, record.text, tuple(entities)))
    return sentences


def _entities(record: SentenceRecord, offsets: Offsets, problems: list[str]) -> Iterator[Entity]:
    """The entities that are right; ``problems`` gets a line for each of the others."""
    seen: dict[tuple[int, int], str] = {}
    for number, entity in enumerate(record.entities):
        where = f"entities.{number} ({entity.type} {entity.start}:{entity.end})"
        span = offsets.span(record.text, entity.start, entity.end)
        if span is None:
            problems.append(f"{where}: {_wanted(offsets, len(record.text))}")
            continue
        surface = record.text[slice(*span)]
        if entity.text not in (None, surface):
            problems.append(f"{where}: text[start:end] is {_short(surface)}, the record says {_short(entity.text)}")
        if span in seen:
            problems.append(f"{where}: the same span is an entity of type {seen[span]} already")
        seen[span] = entity.type
        yield Entity(*span, entity.type)


def _wanted(offsets: Offsets, length: int) -> str:
    if offsets.changes():
        return (
            f"wanted the start and end of characters of the text, counted as corpus.options say: {described(offsets)}"
        )
    return f"wanted 0 <= start < end <= {length}, the length of the text"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a key occurs twice")
    return record


def _explain(detail: Any) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return f"lacks {key!r}"
    if detail["type"] == "extra_forbidden":
        return f"unknown key {key!r}"
    if detail["type"] == "string_unicode":
        return f"{key}: holds a lone surrogate, which is no character"
    if detail["type"] == "model_type":
        return f"{key or 'the record'}: wanted an object, found {_short(detail['input'])}"
    return f"{key}: {detail['msg']}, found {_short(detail['input'])}"


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"
