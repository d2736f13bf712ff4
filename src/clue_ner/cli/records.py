"""Records of the input: a line, a JSON object, or a row of a table."""

import json
from dataclasses import dataclass
from typing import Any

TEXT_KEY = "text"


@dataclass(frozen=True, slots=True)
class Line:
    """A record of the input with its text, or the reason why it is not valid."""

    where: str
    """``file:line``, or ``file: record N``; counted from 1"""
    record: dict[str, Any]
    error: str | None = None
    key: str = TEXT_KEY
    """the key of the record that has the text"""

    @property
    def text(self) -> str:
        """The text; empty if the line is no record."""
        return str(self.record.get(self.key, ""))


def record_line(record: Any, where: str, key: str) -> Line:
    """The line of a record; invalid if it has no text, or a value that JSON cannot represent."""
    if not isinstance(record, dict) or not isinstance(record.get(key), str):
        keys = isinstance(record, dict) and record
        found = (
            f"its keys: {', '.join(keys)[:60]}" if keys else f"found {short(json.dumps(record, ensure_ascii=False))}"
        )
        return Line(where, {}, f"{where}: no text in it, {found}; {wanted(key)}")
    try:
        json.dumps(record, allow_nan=False)  # NaN, Infinity and 1e999, and depths that could not be written again
    except (TypeError, ValueError, RecursionError) as error:
        return Line(where, {}, f"{where}: not JSON ({error}); {wanted(key)}")
    return Line(where, record, key=key)


def wanted(key: str) -> str:
    """What a record has to be."""
    return f'wanted one JSON object with a string "{key}"'


def short(text: str) -> str:
    """The beginning of a text, as a message shows it."""
    shown = repr(text[:60])
    return shown if len(text) <= 60 else f"{shown}…"
