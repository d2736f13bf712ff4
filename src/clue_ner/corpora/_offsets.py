"""How to tell that a file counts offsets otherwise than was said."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from clue_ner.core.entities import Sentence
from clue_ner.layouts import ALL, Offsets

ENTITIES = 20_000
"""At most this many entities are looked at for what the offsets of a corpus look like."""
EDGES, BOUNDARIES, TIMES = 12, 4, 3
"""Another way to count is likelier if it moves this many edges, puts so many of them beside a boundary, and that is
more than so many times what the given way does. Of 300 draws of 20 sentences of CLUENER's train split none looks wrong
as it is, and of the same draws with inclusive ends 289 do; of 50 sentences, none and all.
"""

_CLOSES = dict(zip("》」』】）)>]”’〉〕", "《「『【（(<[“‘〈〔", strict=True))
_OPENS = {opening: closing for closing, opening in _CLOSES.items()}


class Suspicion(NamedTuple):
    """A way to count that fits better than that which was used."""

    way: Offsets
    edges: int
    """starts and ends that it moves"""
    beside: int
    """of these, those at a punctuation mark, a space or an end of the text, if it is right"""
    now: int
    """the same, if what was used is right"""


def suspicion(sentences: Sequence[Sentence]) -> Suspicion | None:
    """What the offsets of a corpus look like, if they look wrong.

    Many entities stand beside a punctuation mark, and few have one inside: from the wrong place, it is the other way.
    """
    found = [_compared(way, sentences) for way in ALL[1:]]
    likelier = [one for one in found if one and one.edges >= EDGES and one.beside >= BOUNDARIES]
    likelier = [one for one in likelier if one.beside > TIMES * one.now]
    return max(likelier, key=lambda one: one.beside - one.now, default=None)


def _compared(way: Offsets, sentences: Sequence[Sentence]) -> Suspicion | None:
    """None if an entity is nowhere in its text in this way."""
    edges = beside = now = 0
    for text, start, end in islice(_spans(sentences), ENTITIES):
        other = way.span(text, start, end)
        if other is None:
            return None
        if other[0] != start:
            edges += 1
            beside += _begins(text, *other)
            now += _begins(text, start, end)
        if other[1] != end:
            edges += 1
            beside += _ends(text, *other)
            now += _ends(text, start, end)
    return Suspicion(way, edges, beside, now)


def _spans(sentences: Iterable[Sentence]) -> Iterator[tuple[str, int, int]]:
    return ((sentence.text, entity.start, entity.end) for sentence in sentences for entity in sentence.entities)


def _begins(text: str, start: int, end: int) -> bool:
    """Whether ``start`` is right behind a boundary, which is no bracket that the span closes, and at none itself."""
    before, first = text[start - 1 : start], text[start]
    closing = _OPENS.get(before, "")
    return not _is_mark(first) and (not before or (_divides(before) and not _lacks(text[start:end], closing, before)))


def _ends(text: str, start: int, end: int) -> bool:
    """Whether ``end`` is right before a boundary, which is no bracket that the span opens, and behind none itself."""
    after, last = text[end : end + 1], text[end - 1]
    opening = _CLOSES.get(after, "")
    return not _is_mark(last) and (not after or (_divides(after) and not _lacks(text[start:end], opening, after)))


def _lacks(surface: str, half: str, other: str) -> bool:
    """Whether ``surface`` has more of one half of a pair of brackets than of the other."""
    return bool(half) and surface.count(half) > surface.count(other)


def _divides(char: str) -> bool:
    """Whether ``char`` is a punctuation mark, a symbol or a space."""
    return unicodedata.category(char)[0] in "PSZ"


def _is_mark(char: str) -> bool:
    """Whether no entity begins or ends with ``char``."""
    return _divides(char) and char not in _CLOSES and char not in _OPENS
