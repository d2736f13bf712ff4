"""The epochs of a training as CSV, which `dvc plots` draws."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clue_ner.artifacts import write_text


def write_curves(path: Path, epochs: Sequence[dict[str, Any]]) -> None:
    """Write one line an epoch, a column a number, six decimals."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(epochs[0])
    writer.writerows(
        [f"{value:.6f}" if isinstance(value, float) else value for value in row.values()] for row in epochs
    )
    write_text(path, stream.getvalue())
