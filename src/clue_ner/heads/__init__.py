"""Tagging heads, one a file, all with one contract.

A head module has a class ``Head``, a ``TaggingHead``; ``build`` finds it by the file's name.
"""

from clue_ner import plugins
from clue_ner.heads._contract import HeadSpec, TaggingHead


def build(name: str, spec: HeadSpec) -> TaggingHead:
    """The head called ``name``; raises UnknownNameError listing those there are."""
    head: TaggingHead = plugins.load("clue_ner.heads", name, "head").Head(spec)
    return head


__all__ = ["HeadSpec", "TaggingHead", "build"]
