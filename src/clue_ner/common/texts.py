"""Texts as they are compared."""

import unicodedata


def bare(text: str) -> str:
    """The letters and digits of a text, in one width and case.

    >>> bare("Ａb, 12。") == bare("ab１２")
    True
    """
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))
