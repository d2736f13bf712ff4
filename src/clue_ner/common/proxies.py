"""Unusable proxies in environment variables: which variable it is, and what to do."""

import os

from clue_ner.common.redaction import redact

VARIABLES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY")


def named() -> dict[str, str]:
    """The proxies in the environment by variable name, which may be upper or lower case."""
    spellings = [spelling for name in VARIABLES for spelling in (name, name.lower())]
    return {name: value for name in spellings if (value := os.environ.get(name))}


def problem_of(error: Exception) -> str | None:
    """The problem with the proxies if it caused a client's ``error``, else None.

    A client reads the proxies when it is created: it raises ImportError for SOCKS without its library, ValueError for
    a scheme that it does not support, and InvalidURL for an invalid address.
    """
    proxies = named()
    if not proxies or not (isinstance(error, ImportError | ValueError) or type(error).__name__ == "InvalidURL"):
        return None
    listed = ", ".join(f"{name}={redact(value)}" for name, value in proxies.items())
    reason = " ".join(str(error).split()).partition(". ")[0]
    return (
        f"the proxy of the environment cannot be used ({listed}: {reason}); set it to an HTTP proxy, unset it, "
        "or for SOCKS run `pip install socksio`"
    )
