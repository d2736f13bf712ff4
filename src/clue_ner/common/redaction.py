"""Removal of secrets (passwords, tokens, secrets in environment variables) from text and streams."""

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
"""Minimum length of a value to be a secret because of its variable's name, or as the password in an address."""


def redact(text: str) -> str:
    """``text`` without the user and password of addresses, without hub tokens and the secrets of the environment.

    Secrets are the values of ``SECRETS`` and of variables with similar names, and the passwords of addresses in any
    variable, also if they occur without the address, decoded, or in the form that HTTP sends.

    >>> redact("GET https://me:s3cr@t@hub.example/api?token=abc refused hf_abcdefghijklmnop")
    'GET https://***@hub.example/api?token=*** refused ***'
    """
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, "***")
    return _QUERY.sub(r"\1***", re.sub(r"(?<=://)\S*(?=@)|\bhf_\w{10,}", "***", text))


def _secrets() -> Iterator[str]:
    """The secrets in the environment."""
    for name, value in os.environ.items():
        if name in SECRETS or (_SECRET_NAME.search(name) and len(value) >= _SHORTEST):
            yield from filter(None, (value, value.strip()))
        for user, password in _LOGIN.findall(value):
            login = f"{unquote(user)}:{unquote(password)}"
            yield base64.b64encode(login.encode()).decode()
            yield from (word for word in (password, unquote(password)) if len(word) >= _SHORTEST)


class Redacted(io.TextIOBase):
    """A stream that redacts what is written to it; used for the standard streams, to which libraries write too."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write the redacted ``text``; returns the length of ``text``."""
        self.stream.write(redact(text))
        return len(text)

    def flush(self) -> None:
        """Flush the underlying stream."""
        self.stream.flush()

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self.stream.isatty()

    def fileno(self) -> int:
        """The file descriptor of the underlying stream."""
        return self.stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the underlying stream."""
        return self.stream.encoding


def keep_secrets(*streams: str) -> None:
    """From now on redact ``stdout`` or ``stderr`` of this process, and its traceback."""
    for name in streams:
        if not isinstance(getattr(sys, name), Redacted):
            setattr(sys, name, Redacted(getattr(sys, name)))
    sys.excepthook = _tell


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback in one write, so that no secret is split between two writes."""
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))
