"""Logits and loss of each head, one file per head; decoding is in ``tagger.decoding``.

A head module has a class ``Head``, an ``EntityHead``; ``build`` finds it by the file's name.
"""

from clue_ner.core import plugins
from clue_ner.network.heads._base import EntityHead, HeadSpec

__all__ = ["EntityHead", "HeadSpec", "build"]


def build(name: str, spec: HeadSpec) -> EntityHead:
    """The head called ``name``; raises UnknownNameError that lists the existing ones."""
    head: EntityHead = plugins.load(plugins.HEADS, name, "head").Head(spec)
    return head
