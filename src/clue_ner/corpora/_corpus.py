"""The result of every corpus module."""

from dataclasses import dataclass, field
from typing import Any

from clue_ner.core.entities import Sentence

SPLITS = ("train", "valid", "test", "unlabelled")


@dataclass(frozen=True)
class Corpus:
    """Sentences by split (keys among ``SPLITS``), and a description of their origin."""

    name: str
    splits: dict[str, list[Sentence]]
    licence: str
    description: str
    reading: dict[str, Any] = field(default_factory=dict)
    """counts of what was left out or changed on reading; empty for a corpus with known content"""
