"""The one place where records are checked: raw ones in, sentences out, with all that is wrong noted in the source."""

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
    """A sentence of a file."""

    sentence: Sentence
    """its id is empty if the file has none; an entity may share its span with one of another type"""
    labelled: bool
    """False: the file does not say which entities there are, which is not the same as none"""
    line: int
    """the number of its line (record, row) in the file, counted from 1"""


def checked(raws: Iterable[Raw], source: Source) -> Iterator[Record]:
    """The records that are right.

    An entity that is listed twice is kept once; its first score counts. ``source.problems`` gets a line for each thing
    that is wrong, ``source.counts`` what was left out.
    """
    offsets, known = source.offsets, set[str]()
    for raw in raws:
        line, sentence_id, text, listed = raw
        if _is_wrong(raw, source):
            continue
        if listed is None:
            source.counts[UNLABELLED] += 1
            yield Record(Sentence(sentence_id or "", text), False, line)
            continue
        found: dict[tuple[int, int, str], float | None] = {}
        for number, entity in enumerate(listed):
            type_ = entity[2]
            span = _span(text, entity, offsets)
            if span is None or (type_ not in known and not _is_type(type_)):
                _explain(raw, number, offsets, source)
                continue
            known.add(type_)
            key = (*span, type_)
            if key in found:
                source.counts[LISTED_TWICE] += 1
            else:
                found[key] = entity[4]
        ordered = sorted(found.items()) if len(found) > 1 else found.items()
        entities = tuple([Entity(*key, score) for key, score in ordered])
        if len(entities) > 1:
            source.counts[MORE_TYPES] += _more_types(entities)
        yield Record(Sentence(sentence_id or "", text, entities), True, line)


def _span(text: str, entity: RawEntity, offsets: Offsets) -> tuple[int, int] | None:
    """Start and end in code points; None if they are not in the text, or the surface is another."""
    start, end, _, surface, _ = entity
    if offsets is not PLAIN and offsets != PLAIN:
        found = offsets.span(text, start, end)
        if found is None:
            return None
        start, end = found
    elif not 0 <= start < end <= len(text):
        return None
    return (start, end) if surface is None or text[start:end] == surface else None


def _is_wrong(raw: Raw, source: Source) -> bool:
    """Whether text or id can be nobody's; both are noted."""
    wrong = False
    if not raw.text:
        source.wrong(raw.line, "text: wanted at least 1 character, found ''")
        wrong = True
    if raw.id == "":
        source.wrong(raw.line, "id: wanted at least 1 character, found ''")
        wrong = True
    for key, value in (("text", raw.text), ("id", raw.id)):
        if value is not None and not value.isascii() and not _is_text(value):
            source.wrong(raw.line, f"{key}: holds a lone surrogate, which is no character")
            wrong = True
    return wrong


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_type(name: str) -> bool:
    return TYPE.fullmatch(name) is not None and _is_text(name)


def _more_types(entities: tuple[Entity, ...]) -> int:
    """The number of entities whose span is that of the one before."""
    return sum(one.start == two.start and one.end == two.end for one, two in pairwise(entities))


def _explain(raw: Raw, number: int, offsets: Offsets, source: Source) -> None:
    """Note what is wrong with an entity."""
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
