"""Warnings about problems that make the scores unreliable.

The stage that finds one logs it and writes it into its metrics. evaluate collects them in metrics/evaluate.json, and
everything that shows scores reads them there.
"""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clue_ner.common.files import read_json

KEY = "warnings"
SOURCES = ("corpus.json", "alignment.json")
"""The metrics files with a list of warnings."""

_log = logging.getLogger(__name__)


def warned(texts: Iterable[str]) -> list[str]:
    """Log each warning; returns them as a list."""
    texts = list(texts)
    for text in texts:
        _log.warning("warning: %s", text)
    return texts


def recorded(root: Path) -> list[str]:
    """The warnings of earlier stages, from metrics/ of the pipeline at ``root``."""
    return [text for name in SOURCES for text in read_json(root / "metrics" / name)[KEY]]


def counted(texts: list[str]) -> dict[str, Any]:
    """The form in metrics/evaluate.json: with the count, because DVC does not display lists."""
    return {"count": len(texts), "texts": texts}
