"""Characters that are invisible or easily confused, and texts that mix full-width and half-width characters."""

import functools
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

from clue_ner.core.entities import Sentence

KINDS = {
    "nul": "U+0000",
    "control": "control characters: not NUL, tab or line break",
    "line_break_or_tab": "tabs, line breaks and other separators of lines",
    "zero_width": "zero width and other format characters, byte order marks, marks of direction",
    "odd_space": "spaces other than U+0020: ideographic, no-break, …",
    "private_use": "private use: they mean something in one font or program only",
    "unassigned": "code points without a character",
    "replacement": "U+FFFD: what a decoder wrote for bytes that it could not read",
    "lone_surrogate": "half of a surrogate pair",
    "combining": "marks that belong to the character before them: accents apart from their letter, variation selectors",
    "compatibility": "characters that look like an ordinary one, and are another: radicals, compatibility ideographs",
}
"""The kinds of unusual characters with descriptions; a character belongs to the first kind that fits."""
MIXED_WIDTH = "mixed_width"
_HALF = str.maketrans(")]}", "([{")
"""Maps both brackets of a pair to one character, for the comparison of widths."""


@functools.cache
def kind_of(character: str) -> str | None:
    """The kind of an unusual character; None for any other.

    >>> kind_of("\\u200b"), kind_of("\\ue000"), kind_of("\\u2f00"), kind_of("\\u4e00")
    ('zero_width', 'private_use', 'compatibility', None)
    """
    category = unicodedata.category(character)
    if character == "\0":
        return "nul"
    if character in "\t\n\r\v\f\x85" or category in ("Zl", "Zp"):
        return "line_break_or_tab"
    if character == "\ufffd":
        return "replacement"
    if category == "Zs":
        return None if character == " " else "odd_space"
    if category[0] == "M":
        return "combining"
    by_category = {
        "Cc": "control",
        "Cf": "zero_width",
        "Co": "private_use",
        "Cn": "unassigned",
        "Cs": "lone_surrogate",
    }
    if category in by_category:
        return by_category[category]
    is_radical = "\u2e80" <= character <= "\u2fdf"
    return "compatibility" if is_radical or (category == "Lo" and _is_ideograph_of_another(character)) else None


def mixes_widths(text: str) -> bool:
    """Whether the text has letters or digits in full and half width, or one punctuation mark in both widths.

    >>> mixes_widths("iPhone１２"), mixes_widths("（注)"), mixes_widths("一，二,"), mixes_widths("iPhone，12")
    (True, True, True, False)
    """
    if text.isascii():
        return False
    wide = {chr(ord(char) - 0xFEE0) for char in text if "\uff01" <= char <= "\uff5e"}
    if not wide:
        return False
    narrow = {char for char in text if char.isascii()}
    if any(map(str.isalnum, wide)) and any(map(str.isalnum, narrow)):
        return True
    marks = ({char.translate(_HALF) for char in some if not char.isalnum()} for some in (wide, narrow))
    return bool(set.intersection(*marks))


def odd_characters(sentences: Sequence[Sentence], examples: int) -> dict[str, dict[str, Any]]:
    """For each kind that occurs: ``{characters, texts, entities, which, ids}``.

    ``entities`` is the number of entities that contain such a character, ``which`` the most common characters as
    ``{"U+200B": n}``, ``ids`` the first sentences; both have at most ``examples`` items. ``mixed_width`` is a property
    of whole texts and surfaces, so its ``characters`` is 0.
    """
    which: dict[str, Counter[str]] = {kind: Counter() for kind in (*KINDS, MIXED_WIDTH)}
    counts: Counter[tuple[str, str]] = Counter()
    ids: dict[str, list[str]] = {kind: [] for kind in which}
    for sentence in sentences:
        for kind in _kinds(sentence.text):
            counts["texts", kind] += 1
            if len(ids[kind]) < examples:
                ids[kind].append(sentence.id)
        for entity in sentence.entities:
            counts.update(("entities", kind) for kind in _kinds(entity.surface(sentence.text)))
        for character in sentence.text:
            if not character.isascii() or character < " " or character == "\x7f":
                kind_found = kind_of(character)
                if kind_found is not None:
                    which[kind_found][f"U+{ord(character):04X}"] += 1
    return {
        kind: {
            "characters": found.total(),
            "texts": counts["texts", kind],
            "entities": counts["entities", kind],
            "which": dict(found.most_common(examples)),
            "ids": ids[kind],
        }
        for kind, found in which.items()
        if counts["texts", kind]
    }


def _kinds(text: str) -> list[str]:
    kinds = {kind for kind in map(kind_of, set(text)) if kind is not None}
    return sorted(kinds | ({MIXED_WIDTH} if mixes_widths(text) else set()))


def _is_ideograph_of_another(character: str) -> bool:
    """Whether NFKC maps the character to a different ideograph: true of 〸 and 金 (U+F90A), not of ㈱."""
    other = unicodedata.normalize("NFKC", character)
    return other != character and len(other) == 1
