"""docs/results/: ``rows.csv``, one line per training; ``per_type.csv``; ``counts.csv``, counts of each sentence.

A row exists if it is in rows.csv, which is written last.
"""

import csv
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import write_csv
from clue_ner.core.params import dotted_training, load_params

FOLDER = Path("docs/results")
PER_TYPE = ("row", "type", "precision", "recall", "f1", "low", "high", "entities")
COUNTS = ("row", "correct", "predicted", "gold")

Counts = NDArray[np.int64]
"""(S sentences, 3): correct, predicted, gold entities"""


class Row(BaseModel):
    """One training. Scores are shares of 1; ``low`` and ``high`` are the ends of a 95 % bootstrap interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    row: str
    corpus: str
    backbone: str
    head: str
    align: str
    scheme: str
    seed: int
    valid_f1: float | None
    """micro F1 on valid of the kept epoch"""
    micro_precision: float
    micro_recall: float
    micro_f1: float
    micro_low: float
    micro_high: float
    lenient_f1: float
    lenient_low: float
    lenient_high: float
    official_f1: float
    official_low: float
    official_high: float
    parameters: int | None
    model_bytes: int
    train_minutes: float | None
    """with validation; this and the next two only where nothing else ran"""
    train_characters_per_second: float | None
    tag_characters_per_second: float | None
    device: str
    commit: str
    command: str
    """the command that repeats the training in a checkout of ``commit``"""
    test: str
    """fingerprint of the split that was scored"""
    params: dict[str, Any]
    """by dotted name: seed, corpus, backbone, tagging, train"""

    @field_validator("*", mode="before")
    @classmethod
    def _reads_csv(cls, value: Any) -> Any:
        if value == "":
            return None
        return json.loads(value) if isinstance(value, str) and value.startswith("{") else value

    def name_by(self, base: Mapping[str, Any]) -> str:
        """``row_name`` with the values of ``base`` for params that came after this row was written."""
        return row_name({**base, **self.params})


def row_name(params: Mapping[str, Any]) -> str:
    """``head-align-xxxxxx-sN``: equal for equal params; six hexadecimal digits represent all params but the seed.

    >>> row_name({"seed": 1, "train.head": "crf", "tagging.align": "pieces", "train.epochs": 3})
    'crf-pieces-f7bdc3-s1'
    """
    rest = {name: _number(value) for name, value in params.items() if name != "seed"}
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:6]
    return f"{params['train.head']}-{params['tagging.align']}-{digest}-s{params['seed']}"


def read_rows(root: Path) -> list[Row]:
    """The rows, empty if there is no table yet; raises ArtifactError that names a damaged line."""
    path = root / FOLDER / "rows.csv"
    rows = []
    for number, values in enumerate(_read_csv(path), 2):
        try:
            rows.append(Row.model_validate(values))
        except (ValidationError, ValueError) as error:
            raise ArtifactError(f"{path}:{number}: not a row of results ({error}); take it from git again") from None
    return rows


def write_row(
    root: Path, row: Row, per_type: Mapping[str, Mapping[str, Any]], counts: Counts, *, replace: bool
) -> None:
    """Add a row with the scores of each type and the counts of each sentence.

    Raises ArtifactError if a row of the same params and seed exists, unless ``replace`` is true.
    """
    folder = root / FOLDER
    rows = read_rows(root)
    same = {other.row for other in rows if other.name_by(row.params) == row.row}
    if same and not replace:
        raise ArtifactError(
            f"{folder / 'rows.csv'}: {', '.join(same)} already exists (the same configuration and seed); "
            "add --replace to replace it"
        )
    kept = {name: others for name, others in read_counts(root).items() if name not in same} | {row.row: counts}
    lines = ((name, *map(_to_digits, kept[name].T)) for name in sorted(kept))
    write_csv(folder / "counts.csv", COUNTS, lines)
    types = [line for line in read_per_type(root) if line["row"] not in same]
    for name, score in per_type.items():
        rates = (*(score[key] for key in ("precision", "recall", "f1")), *score["f1_ci95"], score["support"])
        types.append(dict(zip(PER_TYPE, (row.row, name, *rates))))
    write_csv(folder / "per_type.csv", PER_TYPE, (line.values() for line in sorted(types, key=_by_row)))
    rows = sorted([*(other for other in rows if other.row not in same), row], key=lambda row: row.row)
    write_csv(folder / "rows.csv", Row.model_fields, (map(_cell, row.model_dump().values()) for row in rows))


def own_params(root: Path) -> dict[str, Any]:
    """The params in params.yaml of ``root`` that determine a training, by dotted name."""
    return dotted_training(load_params(root / "params.yaml").model_dump())


def read_per_type(root: Path) -> list[dict[str, str]]:
    """The lines of per_type.csv: the micro scores of each row and type."""
    return _read_csv(root / FOLDER / "per_type.csv")


def read_counts(root: Path) -> dict[str, Counts]:
    """The counts of each row, by its name; raises ArtifactError that names a damaged line."""
    path = root / FOLDER / "counts.csv"
    counts = {}
    for number, line in enumerate(_read_csv(path), 2):
        try:
            counts[line["row"]] = np.array([_from_digits(line[column]) for column in COUNTS[1:]]).T
        except (ValueError, TypeError, KeyError) as error:
            raise ArtifactError(f"{path}:{number}: not the counts of a row ({error}); take it from git again") from None
    return counts


def _to_digits(numbers: Iterable[int]) -> str:
    """Counts of sentences as text: one digit each, 10 and above in parentheses.

    >>> _to_digits([3, 0, 11, 2])
    '30(11)2'
    """
    return "".join(str(number) if number < 10 else f"({number})" for number in numbers)


def _from_digits(digits: str) -> list[int]:
    """The numbers that ``_to_digits`` wrote; raises ValueError for other text.

    >>> _from_digits("30(11)2")
    [3, 0, 11, 2]
    """
    if not re.fullmatch(r"(\d|\(\d+\))+", digits):
        raise ValueError(f"wanted digits and numbers in parentheses, found {digits[:20]!r}")
    return [int(number.strip("()")) for number in re.findall(r"\d|\(\d+\)", digits)]


def _by_row(line: Mapping[str, Any]) -> tuple[str, str]:
    return line["row"], line["type"]


def _number(value: Any) -> Any:
    """1 and 1.0 are the same value of a param."""
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


def _read_csv(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    csv.field_size_limit(2**31 - 1)  # the counts of a row are longer than the default from 2**17 sentences on
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
