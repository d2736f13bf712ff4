"""Tagging heads, one a file, all with one contract.

A head module has a class ``Head``, an ``EntityHead``; ``build`` finds it by the file's name.
"""

from clue_ner import plugins
from clue_ner.heads._contract import Decoded, EntityHead, HeadSpec, TaggingHead
from clue_ner.plugins import reads_tags


def build(name: str, spec: HeadSpec) -> EntityHead:
    """The head called ``name``; raises UnknownNameError listing those there are."""
    head: EntityHead = plugins.load(plugins.HEADS, name, "head").Head(spec)
    return head


__all__ = ["Decoded", "EntityHead", "HeadSpec", "TaggingHead", "build", "reads_tags"]
