"""A proxy that the environment names and that cannot be used: which variable it is, and what to do."""

import os

from clue_ner.common.redaction import redact

VARIABLES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY")


def named() -> dict[str, str]:
    """The proxies that the environment names, by variable, in capitals or not."""
    spellings = [spelling for name in VARIABLES for spelling in (name, name.lower())]
    return {name: value for name in spellings if (value := os.environ.get(name))}


def problem_of(error: Exception) -> str | None:
    """What is wrong with the proxies, if that is what a client's ``error`` comes from; else None.

    A client reads them when it is made: it raises ImportError for SOCKS without its library, ValueError for a scheme
    that it does not know, and InvalidURL for what is no address.
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
