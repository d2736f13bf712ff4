"""Rows that differ in nothing but the seed, as one configuration."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from clue_ner.common.errors import ArtifactError, UnknownNameError
from tools.results.recipes import by_recipe
from tools.results.rows import FOLDER, Counts, Row, read_rows

DEFAULT = "default"
"""The label of the params in params.yaml."""


@dataclass(frozen=True)
class Configuration:
    """Rows of one configuration, by seed."""

    name: str
    """a row's name without its seed"""
    label: str
    """what it has otherwise than the base, ``quick, head=softmax, lr=1e-4``, or ``DEFAULT``"""
    others: str
    """the label without head and alignment"""
    rows: tuple[Row, ...]

    @property
    def seeds(self) -> list[int]:
        """The seeds there are, in order."""
        return [row.seed for row in self.rows]

    def of(self, seeds: Iterable[int]) -> "Configuration":
        """Only the rows of these seeds."""
        kept = set(seeds)
        return Configuration(self.name, self.label, self.others, tuple(row for row in self.rows if row.seed in kept))

    def pooled(self, counts: Mapping[str, Counts]) -> Counts:
        """Of the ``counts`` by row, the sum over the seeds; raises ArtifactError if a row has none."""
        if missing := [row.row for row in self.rows if row.row not in counts]:
            raise ArtifactError(
                f"{FOLDER / 'counts.csv'}: no counts of {', '.join(missing)}; take them from git, or add the row with "
                "--replace"
            )
        first, *others = (counts[row.row] for row in self.rows)
        return sum(others, first)

    def values(self, column: str) -> list[float]:
        """The values of a column, without the rows that have none."""
        return [value for row in self.rows if (value := getattr(row, column)) is not None]

    @property
    def valid_f1(self) -> float:
        """Mean over seeds, below any F1 where there is no valid split."""
        values = self.values("valid_f1")
        return fmean(values) if values else -1.0


def mean_sd(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean, and the sample standard deviation of two values or more."""
    return fmean(values), stdev(values) if len(values) > 1 else None


def configurations(
    rows: Iterable[Row], base: Mapping[str, Any], recipes: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Configuration]:
    """Rows by configuration, best mean valid F1 first.

    Labels are what differs from ``base``, by the names of ``recipes`` where there is one.
    """
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        grouped.setdefault(row.name_by(base).rpartition("-s")[0], []).append(row)
    found = []
    for name, members in grouped.items():
        params = members[0].params
        changed = {k: v for k, v in params.items() if k != "seed" and (k not in base or base[k] != v)}
        names, changed = by_recipe(params, changed, recipes or {})
        others = {k: v for k, v in changed.items() if k not in ("train.head", "tagging.align")}
        ordered = tuple(sorted(members, key=lambda row: row.seed))
        found.append(Configuration(name, _label(names, changed) or DEFAULT, _label(names, others), ordered))
    return sorted(found, key=lambda configuration: (-configuration.valid_f1, configuration.name))


def find(name: str, there: Sequence[Configuration]) -> Configuration:
    """The configuration of a label or name, or one row of it; also by the beginning of a name, if only one has it."""
    for configuration in there:
        if name in (configuration.label, configuration.name):
            return configuration
        for row in configuration.rows:
            if row.row == name:
                return configuration.of([row.seed])
    begun = [configuration for configuration in there if name and configuration.name.startswith(name)]
    if len(begun) == 1:
        return begun[0]
    labels = [f"{configuration.name} ({configuration.label})" for configuration in begun or there]
    raise UnknownNameError("row, configuration or label", name, labels)


def rows_of(root: Path, corpus: str) -> tuple[list[Row], int]:
    """The rows of a corpus, and how many other corpora have; raises ArtifactError if their test splits differ."""
    rows = read_rows(root)
    chosen = [row for row in rows if row.corpus == corpus]
    one_test_split(chosen)
    return chosen, len(rows) - len(chosen)


def one_test_split(rows: Iterable[Row]) -> None:
    """Raise ArtifactError unless all rows were scored on the same sentences."""
    tests = {row.test: row.row for row in rows}
    if len(tests) > 1:
        found = ", ".join(f"{name} on {test[:12]}" for test, name in tests.items())
        raise ArtifactError(
            f"rows scored on different test splits are not comparable: {found}; remove one kind from rows.csv"
        )


def _label(recipes: Iterable[str], changed: Mapping[str, Any]) -> str:
    """``quick, head=softmax, corpus.split_seed=3``: the sections ``train`` and ``tagging`` are left out."""
    params = (f"{k.removeprefix('train.').removeprefix('tagging.')}={_text(v)}" for k, v in changed.items())
    return ", ".join([*recipes, *params])


def _text(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
