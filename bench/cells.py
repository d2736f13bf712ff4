"""A table, and the formatting of its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table with notes."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def number(value: float | None, digits: int = 3) -> str:
    """A number with ``digits`` significant digits and commas between thousands; a dash for None.

    >>> number(12345.6), number(0.01234), number(None)
    ('12,300', '0.0123', '–')
    """
    if value is None:
        return "–"
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 10**digits else f"{rounded:g}"


def times(value: float, of: float) -> str:
    """A value as a multiple of ``of``."""
    return f"{value / of:.2f} ×" if of else "–"


def met(reached: bool) -> str:
    """Whether a goal was reached."""
    return "met" if reached else "missed"
