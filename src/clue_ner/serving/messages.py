"""Messages between the service and its processes: JSON over pipes, each preceded by its length in bytes."""

import asyncio
import json
import struct
from typing import Any, BinaryIO

from clue_ner.common.json_lines import to_json

_LENGTH = struct.Struct(">I")


def pack(value: Any) -> bytes:
    """A message in the format of the pipe."""
    content = to_json(value).encode("utf-8")
    return _LENGTH.pack(len(content)) + content


def read(stream: BinaryIO) -> Any:
    """The next message; raises EOFError if there are no more."""
    head = stream.read(_LENGTH.size)
    content = stream.read(_LENGTH.unpack(head)[0]) if len(head) == _LENGTH.size else b""
    if not content:
        raise EOFError("the pipe is closed")
    return json.loads(content)


async def receive(stream: asyncio.StreamReader) -> Any:
    """Like ``read``, from a pipe of the event loop."""
    try:
        (length,) = _LENGTH.unpack(await stream.readexactly(_LENGTH.size))
        return json.loads(await stream.readexactly(length))
    except asyncio.IncompleteReadError:
        raise EOFError("the pipe is closed") from None
