"""Units of offsets in files, and their conversion to code points (Unicode characters) from 0, end exclusive."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate, product
from typing import Any

from clue_ner.layouts._options import VALUES

OPTIONS: dict[str, tuple[str | int, ...]] = {name: VALUES[name] for name in ("offsets", "first", "ends")}
"""The fields of ``Offsets`` and their possible values, the default first."""


@dataclass(frozen=True)
class Offsets:
    """``offsets``: the unit, characters (code points), UTF-16 units or bytes of UTF-8. ``first``: the number of the
    first one. ``ends``: whether an end is the last unit of the entity (inclusive) or the one after it (exclusive).
    """

    offsets: str = "code_points"
    first: int = 0
    ends: str = "exclusive"

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Offsets":
        """From a layout's options."""
        return cls(**{name: options[name] for name in OPTIONS if name in options})

    def span(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """The span in code points, end exclusive, of ``start`` and ``end`` in a file; None if they split a character.

        >>> Offsets("utf16").span("😀李雷", 2, 4), Offsets("utf8", ends="inclusive").span("李雷", 3, 5)
        ((1, 3), (1, 2))
        """
        start, end = start - self.first, end - self.first + (self.ends == "inclusive")
        places = _places(text, self.offsets)
        if places is not None:
            start, end = places.get(start, -1), places.get(end, -1)
        return (start, end) if 0 <= start < end <= len(text) else None

    def counted(self, text: str, start: int, end: int) -> tuple[int, int]:
        """The inverse of ``span``: start and end as a file counts them, from code points with an exclusive end.

        >>> Offsets("utf16").counted("😀李雷", 1, 3), Offsets("utf8", ends="inclusive").counted("李雷", 1, 2)
        ((2, 4), (3, 5))
        """
        if self.offsets != "code_points":
            start, end = (_size(text[:place], self.offsets) for place in (start, end))
        return start + self.first, end + self.first - (self.ends == "inclusive")

    def changes(self) -> dict[str, str | int]:
        """The options that differ from the default."""
        return {name: value for name, value in vars(self).items() if value != OPTIONS[name][0]}


def _size(text: str, unit: str) -> int:
    """The length of a text in ``unit`` (not code points)."""
    if unit == "utf8":
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _places(text: str, unit: str) -> dict[int, int] | None:
    """A table from offsets in ``unit`` to code points at character boundaries; None if they are the same."""
    if unit == "code_points" or text.isascii() or (unit == "utf16" and max(text) <= "\uffff"):
        return None
    sizes = (_size(char, unit) for char in text)
    return {offset: place for place, offset in enumerate(accumulate(sizes, initial=0))}


ALL = sorted(
    (Offsets(*values) for values in product(*OPTIONS.values())),  # type: ignore[arg-type]
    key=lambda way: (len(way.changes()), way.first),
)
"""All combinations of options, sorted by the number of options that differ from the default."""
PLAIN = ALL[0]


def described(offsets: Offsets) -> str:
    """The options that differ from the default, as written in params.yaml.

    >>> described(Offsets("utf16", ends="inclusive"))
    '{offsets: utf16, ends: inclusive}'
    """
    return "{" + ", ".join(f"{name}: {value}" for name, value in offsets.changes().items()) + "}"


def explanation(spans: Iterable[tuple[str, int, int, str | None]], given: Offsets) -> Offsets | None:
    """The most likely other values of the options with which every entity is right; None if there are none.

    ``spans`` are the text, start and end as in the file, and the surface or None.
    """
    ways = [way for way in ALL if way != given]
    for span in spans:
        ways = [way for way in ways if _is_right(way, *span)]
        if not ways:
            return None
    return ways[0]


def _is_right(way: Offsets, text: str, start: int, end: int, surface: str | None) -> bool:
    found = way.span(text, start, end)
    return found is not None and surface in (None, text[slice(*found)])
