"""What no message may show: passwords, tokens and the secrets of the environment, taken out of text and streams."""

import base64
import io
import os
import re
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import TextIO
from urllib.parse import unquote

SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_PASSWORD")
"""Variables of the environment whose values no message may show, however short they are."""
_SECRET_NAME = re.compile(r"(TOKEN|PASSWORD|PASSWD|SECRET|API_KEY|ACCESS_KEY)$")
_LOGIN = re.compile(r"://([^/\s@:]*):([^/\s]+)@")
_QUERY = re.compile(r"([?&](?:[\w-]*token|sig|signature|key|password|x-amz-[\w-]+)=)[^&\s'\",)]+", re.IGNORECASE)
_SHORTEST = 6
"""Characters from which on a value is taken for a secret by its variable's name, or as an address's password."""


def redact(text: str) -> str:
    """``text`` without the user and password of addresses, without hub tokens and the secrets of the environment.

    These are the values of ``SECRETS`` and of variables called alike, and the passwords of addresses in any variable,
    also where they stand alone, decoded, or as HTTP sends them.

    >>> redact("GET https://me:s3cr@t@hub.example/api?token=abc refused hf_abcdefghijklmnop")
    'GET https://***@hub.example/api?token=*** refused ***'
    """
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, "***")
    return _QUERY.sub(r"\1***", re.sub(r"(?<=://)\S*(?=@)|\bhf_\w{10,}", "***", text))


def _secrets() -> Iterator[str]:
    """The secrets that the environment holds."""
    for name, value in os.environ.items():
        if name in SECRETS or (_SECRET_NAME.search(name) and len(value) >= _SHORTEST):
            yield from filter(None, (value, value.strip()))
        for user, password in _LOGIN.findall(value):
            login = f"{unquote(user)}:{unquote(password)}"
            yield base64.b64encode(login.encode()).decode()
            yield from (word for word in (password, unquote(password)) if len(word) >= _SHORTEST)


class Redacted(io.TextIOBase):
    """A stream that passes on what it is given, redacted; for the standard streams, into which libraries speak too."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Pass on ``text``, whose length it says."""
        self.stream.write(redact(text))
        return len(text)

    def flush(self) -> None:
        """Flush what is below."""
        self.stream.flush()

    def isatty(self) -> bool:
        """Whether a person reads it."""
        return self.stream.isatty()

    def fileno(self) -> int:
        """The number of the file below."""
        return self.stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream below."""
        return self.stream.encoding


def keep_secrets(*streams: str) -> None:
    """Redact what this process says from now on, on ``stdout`` or ``stderr``, and in the traceback that may end it."""
    for name in streams:
        if not isinstance(getattr(sys, name), Redacted):
            setattr(sys, name, Redacted(getattr(sys, name)))
    sys.excepthook = _tell


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback in one piece, so that nothing in it escapes by being cut."""
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))
