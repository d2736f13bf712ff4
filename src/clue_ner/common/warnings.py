"""Warnings: what makes the scores mean less than they seem to.

The stage that finds one logs it and writes it into its metrics; evaluate collects them in metrics/evaluate.json, from
where they come to everything that shows scores.
"""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clue_ner.common.files import read_json

KEY = "warnings"
SOURCES = ("corpus.json", "alignment.json")
"""The metrics that have a list of warnings."""

_log = logging.getLogger(__name__)


def warned(texts: Iterable[str]) -> list[str]:
    """The warnings as a list, each logged."""
    texts = list(texts)
    for text in texts:
        _log.warning("warning: %s", text)
    return texts


def recorded(root: Path) -> list[str]:
    """The warnings of the stages before, from metrics/ of the pipeline at ``root``."""
    return [text for name in SOURCES for text in read_json(root / "metrics" / name)[KEY]]


def counted(texts: list[str]) -> dict[str, Any]:
    """As metrics/evaluate.json has them: DVC shows the count, since it leaves lists out."""
    return {"count": len(texts), "texts": texts}
