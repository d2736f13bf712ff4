"""Tagging heads, one a file, all with one contract.

A head module has a class ``Head``, an ``EntityHead``; ``build`` finds it by the file's name.
"""

from clue_ner.core import plugins
from clue_ner.core.plugins import reads_tags
from clue_ner.network.heads._base import Decoded, EntityHead, HeadSpec, TaggingHead


def build(name: str, spec: HeadSpec) -> EntityHead:
    """The head called ``name``; raises UnknownNameError listing those there are."""
    head: EntityHead = plugins.load(plugins.HEADS, name, "head").Head(spec)
    return head


__all__ = ["Decoded", "EntityHead", "HeadSpec", "TaggingHead", "build", "reads_tags"]
