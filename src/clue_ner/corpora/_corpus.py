"""What every corpus module gives."""

from dataclasses import dataclass, field
from typing import Any

from clue_ner.core.entities import Sentence

SPLITS = ("train", "valid", "test", "unlabelled")


@dataclass(frozen=True)
class Corpus:
    """Sentences by split (keys among ``SPLITS``), with where they are from in words for a person."""

    name: str
    splits: dict[str, list[Sentence]]
    licence: str
    description: str
    reading: dict[str, Any] = field(default_factory=dict)
    """what was left out or changed while it was read, as numbers; empty for a corpus that is known by its content"""
