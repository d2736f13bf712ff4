"""YAML as DVC reads and writes it: version 1.2, with ruamel.yaml."""

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import YAMLError

from clue_ner.common.errors import ParamsError

MERGED = 1000
"""Maximum number of keys in a mapping after merge keys (``<<``) are resolved: nested merges grow exponentially."""


class _Constructor(SafeConstructor):
    def flatten_mapping(self, node: Any) -> None:
        super().flatten_mapping(node)
        if len(node.value) > MERGED:
            raise ConstructorError(None, None, f"more than {MERGED} keys merged into one mapping", node.start_mark)


def read_yaml(text: bytes, where: str) -> Any:
    """The values of YAML text, not checked; raises ParamsError, which names the text ``where``."""
    reader = YAML(typ="safe", pure=True)
    reader.Constructor = _Constructor
    try:
        return reader.load(text.decode("utf-8"))
    except (YAMLError, ValueError, RecursionError, TypeError, AttributeError) as error:
        raise ParamsError(f"{where}: not YAML that can be read: {error}") from None


def to_yaml(values: Any) -> str:
    """Plain values as YAML text, with keys in their order."""
    writer, stream = YAML(), io.StringIO()
    writer.default_flow_style = False
    writer.dump(values, stream)
    return stream.getvalue()
