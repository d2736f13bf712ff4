"""`make runs`: the changed params and scores of each experiment, in a table that fits the terminal.

`dvc exp show` has a column for each param and metric with its full name, and truncates what does not fit.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clue_ner.common.errors import ArtifactError
from clue_ner.common.stage import run
from clue_ner.experiments.overrides import overrides

SCORES = {
    "valid F1": ("metrics/train.json", "valid_micro_f1"),
    "test F1": ("metrics/evaluate.json", "micro", "f1"),
    "official": ("metrics/evaluate.json", "official", "macro_f1"),
}
"""The file and key of each column: micro F1 on valid, micro F1 on test, the mean F1 of the types."""
WARNINGS = ("metrics/evaluate.json", "warnings", "count")

_Row = Mapping[str, Any]


def main(root: Path) -> None:
    """Print the table; raises ArtifactError if DVC has none."""
    done = subprocess.run(["dvc", "exp", "show", "--json"], cwd=root, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise ArtifactError("`dvc exp show` failed; the lines above say why")
    Console(highlight=False).print(table(json.loads(done.stdout)))


def table(shown: list[_Row]) -> Table:
    """The output of `dvc exp show --json`: a row for each commit and, below it, each of its experiments, best first."""
    made = Table("name", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    made.columns[0].overflow = "fold"
    for heading in (*SCORES, "warnings"):
        made.add_column(heading, justify="right")
    made.add_column("changed", overflow="fold")
    for cells in _rows(shown):
        made.add_row(*map(Text, cells))
    return made


def _rows(shown: list[_Row]) -> Iterator[list[str]]:
    head = next((commit for commit in shown if commit["rev"] != "workspace"), {})
    for commit in shown:
        changed = _changes(commit, head) if commit["rev"] == "workspace" else ""
        yield [commit["name"] or commit["rev"][:9], *_numbers(commit), changed]
        for group in sorted(commit["experiments"] or [], key=_valid, reverse=True):
            row = group["revs"][0]
            name = row["name"] or row["rev"][:9]
            state = (group["executor"] or {}).get("state")
            label = f"  {name} ({state})" if state and state != "success" else f"  {name}"
            valid, *test = _numbers(row)
            if state == "running":  # these are still those of its commit, because evaluate has not run
                test = [""] * len(test)
            yield [label, valid, *test, _changes(row, commit)]


def _valid(group: _Row) -> float:
    value = _read(group["revs"][0], "metrics", *SCORES["valid F1"])
    return -1.0 if value is None else float(value)


def _numbers(row: _Row) -> list[str]:
    """The F1 scores in percent and the number of warnings; empty if not available yet."""
    scores = [_read(row, "metrics", *place) for place in SCORES.values()]
    warnings = _read(row, "metrics", *WARNINGS)
    return [*("" if score is None else f"{100 * score:.2f}" for score in scores), f"{warnings or ''}"]


def _changes(row: _Row, base: _Row) -> str:
    """The params in which a row differs from another, as arguments of `dvc exp run -S`."""
    params, before = _params(row), _params(base)
    changed = {name: value for name, value in params.items() if name not in before or before[name] != value}
    return " ".join(part for name, value in changed.items() for part in overrides(name, value, before.get(name)))


def _params(row: _Row) -> dict[str, Any]:
    """The params by dotted name; a value that is a mapping is not split."""
    sections = _read(row, "params", "params.yaml") or {}
    return {
        f"{section}.{name}" if name else section: value
        for section, values in sections.items()
        for name, value in (values if isinstance(values, dict) else {"": values}).items()
    }


def _read(row: _Row, kind: str, file: str, *keys: str) -> Any:
    """A value in a file from DVC's output; None if file or value is missing or cannot be read."""
    found: Any = row.get("data")
    for key in (kind, file, "data", *keys):
        found = found.get(key) if isinstance(found, dict) else None
    return found


if __name__ == "__main__":
    run(main)
