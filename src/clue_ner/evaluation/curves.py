"""The epochs of a training as CSV, which `dvc plots` draws."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clue_ner.common.files import write_csv


def write_curves(path: Path, epochs: Sequence[dict[str, Any]]) -> None:
    """Write one line per epoch, one column per number, with six decimals."""
    rows = ([f"{value:.6f}" if isinstance(value, float) else value for value in row.values()] for row in epochs)
    write_csv(path, epochs[0], rows)
