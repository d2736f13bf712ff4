"""JSON on one line, for standard output, pipes and HTTP."""

import json
from typing import Any


def to_json(value: Any) -> str:
    """JSON on one line that UTF-8 can say: only a value with lone surrogates is written with escapes.

    >>> to_json({"text": "上海"}), to_json("\\ud83d")
    ('{"text": "上海"}', '"\\\\ud83d"')
    """
    line = json.dumps(value, ensure_ascii=False)
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value)
    return line
