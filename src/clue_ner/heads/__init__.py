"""Tagging heads, one a file, all with one contract.

A head module has a class ``Head``, an ``EntityHead``; ``build`` finds it by the file's name.
"""

from clue_ner import plugins
from clue_ner.heads._contract import Decoded, EntityHead, HeadSpec, TaggingHead


def build(name: str, spec: HeadSpec) -> EntityHead:
    """The head called ``name``; raises UnknownNameError listing those there are."""
    head: EntityHead = plugins.load("clue_ner.heads", name, "head").Head(spec)
    return head


def reads_tags(name: str) -> bool:
    """Whether the head called ``name`` decides a tag a unit, so that entities cannot overlap."""
    return bool(plugins.literal("clue_ner.heads", name, "READS_TAGS", default=True))


__all__ = ["Decoded", "EntityHead", "HeadSpec", "TaggingHead", "build", "reads_tags"]
