"""JSON as layouts read it: one object per line, errors for duplicate keys, and pydantic errors as plain text."""

import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from pydantic import GetPydanticSchema, TypeAdapter, ValidationError

from clue_ner.layouts._source import Source, short


def one_message(message: str) -> GetPydanticSchema:
    """The schema of a union that reports one error for a wrong value, instead of one for each member of the union."""
    return GetPydanticSchema(
        lambda source, handler: {**handler(source), "custom_error_type": "union", "custom_error_message": message}
    )


Id = Annotated[str | int, one_message("wanted a text or a whole number")]
"""Types that tools write for an id."""


def count_keys(value: Any) -> int:
    """The number of keys in a value and in everything nested in it."""
    if isinstance(value, dict):
        return len(value) + sum(count_keys(item) for item in value.values() if isinstance(item, dict | list))
    return sum(count_keys(item) for item in value if isinstance(item, dict | list)) if isinstance(value, list) else 0


def json_lines(
    source: Source, adapter: TypeAdapter[Any], keys: Callable[[Any], int] = count_keys
) -> Iterator[tuple[int, Any]]:
    """The records of a JSON lines file that match ``adapter``; the other lines are reported to ``source``.

    ``keys`` counts the keys of such a record. A line with no more colons than keys has no duplicate key.
    """
    validate = adapter.validate_json
    for number, line in _not_blank(source):
        try:
            value = validate(line)
            if line.count(b":") != keys(value):  # possibly a duplicate key, of which JSON parsers keep only one
                value = adapter.validate_python(loads(line))
        except (ValueError, RecursionError):
            value = _again(source, number, line, adapter)
            if value is None:
                continue
        yield number, value


def objects(source: Source) -> Iterator[tuple[int, Any]]:
    """The values of a JSON lines file; lines that are not JSON are reported to ``source``."""
    for number, line in _not_blank(source):
        try:
            yield number, loads(line)
        except (ValueError, RecursionError) as error:
            source.wrong(number, f"not JSON ({error}), found {short(line.decode('utf-8', 'replace'))}")


def _not_blank(source: Source) -> Iterator[tuple[int, bytes]]:
    return ((number, line) for number, line in source.lines() if line and not line.isspace())


def loads(line: bytes) -> Any:
    """The value of JSON in UTF-8; raises ValueError (also for a duplicate key) or RecursionError."""
    return json.loads(line.decode("utf-8"), object_pairs_hook=unique)


def _again(source: Source, number: int, line: bytes, adapter: TypeAdapter[Any]) -> Any:
    """Parse a refused line again with Python's parser; None if it is wrong, which is reported."""
    try:
        value = loads(line)
    except (ValueError, RecursionError) as error:
        source.wrong(number, f"not JSON ({error}), found {short(line.decode('utf-8', 'replace'))}")
        return None
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        for detail in error.errors():
            source.wrong(number, explain(detail))
    except RecursionError:
        source.wrong(number, "nested too deeply")
    return None


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; raises ValueError for a duplicate key."""
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a key occurs twice")
    return record


def explain(detail: Any) -> str:
    """The text of a pydantic error: the key, and what was found."""
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return f"lacks {key!r}"
    if detail["type"] == "extra_forbidden":
        return f"unknown key {key!r}"
    if detail["type"] == "string_unicode":
        return f"{key}: holds a lone surrogate, which is no character"
    if detail["type"] in ("model_type", "dict_type"):
        return f"{key or 'the record'}: wanted an object, found {short(detail['input'])}"
    return f"{key}: {detail['msg']}, found {short(detail['input'])}"
