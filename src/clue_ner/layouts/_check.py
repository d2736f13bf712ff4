"""Checks records of every layout: takes raw records, yields sentences, and reports all problems to the source."""

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from clue_ner.core.entities import Entity, Sentence
from clue_ner.layouts._offsets import PLAIN, Offsets, described
from clue_ner.layouts._source import Raw, RawEntity, Source, short

TYPE = re.compile(r"\S+")
LISTED_TWICE = "entities listed twice, kept once"
UNLABELLED = "unlabelled sentences"
MORE_TYPES = "spans with more than one type"


class Record(NamedTuple):
    """A checked sentence of a file."""

    sentence: Sentence
    """its id is empty if the file has none and none was generated; entities of different types may share a span"""
    labelled: bool
    """False if the file does not contain labels for this sentence, unlike an empty list of entities"""
    line: int
    """the number of its line (record, row) in the file, counted from 1"""


def checked(raws: Iterable[Raw], source: Source, prefix: str = "", first: int = 0) -> Iterator[Record]:
    """The valid records; with ``prefix``, a record without an id gets the prefix and its number from ``first`` as id.

    An entity that is listed twice is kept once, with its first score. ``source.problems`` gets one line for each
    problem, ``source.counts`` the number of things that were left out.
    """
    offsets, known = source.offsets, set[str]()
    plain = offsets == PLAIN
    for number, raw in enumerate(raws, first):
        line, sentence_id, text, listed = raw
        if not text or sentence_id == "" or not (_is_text(text) and _is_text(sentence_id or "")):
            _explain_texts(raw, source)
            continue
        if sentence_id is None:
            sentence_id = f"{prefix}{number}" if prefix else ""
        if listed is None:
            source.counts[UNLABELLED] += 1
            yield Record(Sentence(sentence_id, text), False, line)
            continue
        entities = _as_they_are(text, listed, known) if plain else None
        if entities is None:
            entities = _entities(raw, listed, offsets, known, source)
        yield Record(Sentence(sentence_id, text, entities), True, line)


def _as_they_are(text: str, listed: list[RawEntity], known: set[str]) -> tuple[Entity, ...] | None:
    """Fast path: the entities if all are valid, sorted, of ``known`` types, and have distinct spans; otherwise None."""
    found, length = [], len(text)
    before, last = -1, -1
    for start, end, type_, surface, score in listed:
        if (
            not 0 <= start < end <= length
            or type_ not in known
            or start < before
            or (start == before and end <= last)
            or (surface is not None and text[start:end] != surface)
        ):
            return None
        before, last = start, end
        found.append(Entity(start, end, type_, score))
    return tuple(found)


def _entities(
    raw: Raw, listed: list[RawEntity], offsets: Offsets, known: set[str], source: Source
) -> tuple[Entity, ...]:
    """The valid entities, sorted and without duplicates. Problems are reported, new types are added to ``known``."""
    found: dict[tuple[int, int, str], float | None] = {}
    for number, entity in enumerate(listed):
        type_ = entity[2]
        span = _span(raw.text, entity, offsets)
        if span is None or (type_ not in known and not _is_type(type_)):
            _explain(raw, number, offsets, source)
            continue
        known.add(type_)
        key = (*span, type_)
        if key in found:
            source.counts[LISTED_TWICE] += 1
        else:
            found[key] = entity[4]
    entities = tuple(Entity(*key, score) for key, score in sorted(found.items()))
    if more := _more_types(entities):
        source.counts[MORE_TYPES] += more
    return entities


def _span(text: str, entity: RawEntity, offsets: Offsets) -> tuple[int, int] | None:
    """Start and end in code points; None if they are outside the text or the surface differs."""
    start, end, _, surface, _ = entity
    found = offsets.span(text, start, end)
    return found if found is not None and surface in (None, text[slice(*found)]) else None


def _explain_texts(raw: Raw, source: Source) -> None:
    """Report what is wrong with text and id."""
    for key, value in (("text", raw.text), ("id", raw.id)):
        if value == "":
            source.wrong(raw.line, f"{key}: wanted at least 1 character, found ''")
        elif value is not None and not _is_text(value):
            source.wrong(raw.line, f"{key}: holds a lone surrogate, which is no character")


def _is_text(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_type(name: str) -> bool:
    return TYPE.fullmatch(name) is not None and _is_text(name)


def _more_types(entities: tuple[Entity, ...]) -> int:
    """The number of entities with the same span as the entity before."""
    return sum(one.start == two.start and one.end == two.end for one, two in pairwise(entities))


def _explain(raw: Raw, number: int, offsets: Offsets, source: Source) -> None:
    """Report what is wrong with an entity."""
    start, end, type_, surface, _ = raw.entities[number] if raw.entities else (0, 0, "", None, None)
    if not _is_text(type_):
        source.wrong(raw.line, f"entities.{number}.type: holds a lone surrogate, which is no character")
        return
    if not TYPE.fullmatch(type_):
        source.wrong(raw.line, f"entities.{number}.type: wanted a name without white space, found {short(type_)}")
        return
    source.misplaced += 1
    where = f"entities.{number} ({type_} {start}:{end})"
    span = offsets.span(raw.text, start, end)
    if span is None:
        source.wrong(raw.line, f"{where}: {_wanted(offsets, len(raw.text))}")
    else:
        found = raw.text[slice(*span)]
        source.wrong(raw.line, f"{where}: text[start:end] is {short(found)}, the record says {short(surface)}")


def _wanted(offsets: Offsets, length: int) -> str:
    if offsets.changes():
        return f"wanted the start and end of characters of the text, counted as the options say: {described(offsets)}"
    return f"wanted 0 <= start < end <= {length}, the length of the text"
