"""Entities whose boundaries look wrong: unpaired brackets, punctuation or spaces at the edge, parts of words."""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

from clue_ner.core.entities import Entity, Sentence

PAIRS = {
    "《": "》",
    "〈": "〉",
    "「": "」",
    "『": "』",
    "【": "】",
    "〔": "〕",
    "〖": "〗",
    "“": "”",
    "‘": "’",
    "(": ")",
    "[": "]",
    "{": "}",
    "<": ">",
}
"""Closing brackets and quotes by opening ones; half width if a mark has two widths."""
STRAIGHT = '"'
_NARROW = str.maketrans("（）［］｛｝＜＞＂", '()[]{}<>"')
_OPENING = {closing: opening for opening, closing in PAIRS.items()}
_OF_PAIRS = {*PAIRS, *_OPENING, STRAIGHT}

EDGES = {
    "space": "begins or ends with a space, or with a character that is not seen",
    "punctuation": "begins or ends with a mark or symbol other than brackets and quotes",
    "inside_word": "begins or ends between two ASCII letters, or between two digits",
}
"""Kinds of unusual first or last characters, with descriptions."""


def half_pairs(surface: str) -> set[str]:
    """The pairs of brackets and quotes (such as ``《》``) of which the surface has one without its partner.

    The two widths of a bracket are equivalent. ’ between letters is an apostrophe.

    >>> half_pairs("红楼梦》"), half_pairs("中国(香港）"), half_pairs("》《"), half_pairs("McDonald’s")
    ({'《》'}, set(), {'《》'}, set())
    """
    narrow = surface.translate(_NARROW)
    if _OF_PAIRS.isdisjoint(narrow):
        return set()
    halves = {STRAIGHT * 2} if narrow.count(STRAIGHT) % 2 else set()
    open_: Counter[str] = Counter()
    for position, char in enumerate(narrow):
        if char in PAIRS:
            open_[char] += 1
        elif char in _OPENING and not (char == "’" and _is_apostrophe(narrow, position)):
            opening = _OPENING[char]
            if open_[opening]:
                open_[opening] -= 1
            else:
                halves.add(opening + char)
    return halves | {opening + PAIRS[opening] for opening, left in open_.items() if left}


def odd_edges(text: str, entity: Entity) -> set[str]:
    """The keys of ``EDGES`` that apply to an entity.

    >>> odd_edges("在 上海，", Entity(1, 5, "address")) == {"space", "punctuation"}
    True
    """
    odd = set()
    for edge, beside in ((entity.start, entity.start - 1), (entity.end - 1, entity.end)):
        char = text[edge]
        category = unicodedata.category(char)
        if char.isspace() or category in ("Cc", "Cf"):
            odd.add("space")
        elif category[0] in "PS" and char.translate(_NARROW) not in _OF_PAIRS:
            odd.add("punctuation")
        elif 0 <= beside < len(text) and _is_one_word(char, text[beside]):
            odd.add("inside_word")
    return odd


def count_half_pairs(sentences: Sequence[Sentence], examples: int) -> dict[str, dict[str, Any]]:
    """For each pair with unpaired marks: ``{entities, texts, examples}``; examples are entities (see ``example``)."""
    found: dict[str, dict[str, Any]] = {}

    def of(pair: str) -> dict[str, Any]:
        return found.setdefault(pair, {"entities": 0, "texts": 0, "examples": []})

    for sentence in sentences:
        for pair in half_pairs(sentence.text):
            of(pair)["texts"] += 1
        for entity in sentence.entities:
            for pair in half_pairs(entity.surface(sentence.text)):
                of(pair)["entities"] += 1
                if len(of(pair)["examples"]) < examples:
                    of(pair)["examples"].append(example(sentence, entity))
    return dict(sorted(found.items(), key=lambda item: (-item[1]["entities"], -item[1]["texts"], item[0])))


def count_odd_edges(sentences: Sequence[Sentence], examples: int) -> dict[str, dict[str, Any]]:
    """For each of ``EDGES``: ``{entities, examples}``."""
    found: dict[str, dict[str, Any]] = {edge: {"entities": 0, "examples": []} for edge in EDGES}
    for sentence in sentences:
        for entity in sentence.entities:
            for edge in odd_edges(sentence.text, entity):
                found[edge]["entities"] += 1
                if len(found[edge]["examples"]) < examples:
                    found[edge]["examples"].append(example(sentence, entity))
    return found


def example(sentence: Sentence, entity: Entity) -> dict[str, Any]:
    """An entity as an example in the report: its place and its surface."""
    place = {"id": sentence.id, "type": entity.type, "start": entity.start, "end": entity.end}
    return {**place, "text": entity.surface(sentence.text)}


def _is_apostrophe(text: str, position: int) -> bool:
    around = text[max(0, position - 1) : position], text[position + 1 : position + 2]
    return all(char.isascii() and char.isalpha() for char in around)


def _is_one_word(first: str, second: str) -> bool:
    both = first + second
    return both.isascii() and (both.isalpha() or both.isdigit())
