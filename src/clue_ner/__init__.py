"""clue-ner: fine-tune a Chinese BERT for named entity recognition and tag text with it."""

import importlib
from typing import TYPE_CHECKING, Any

from clue_ner.common.errors import ArtifactError, ClueNerError, MissingExtraError, TrackingError
from clue_ner.core.entities import Entity, Sentence

if TYPE_CHECKING:
    from clue_ner.tagger.tagger import Tagger

__version__ = "0.1.0"
__all__ = [
    "ArtifactError",
    "ClueNerError",
    "Entity",
    "MissingExtraError",
    "Sentence",
    "Tagger",
    "TrackingError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    """Import the tagger only when it is used."""
    if name == "Tagger":
        return importlib.import_module("clue_ner.tagger.tagger").Tagger
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
