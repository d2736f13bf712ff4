"""Logs a sweep to MLflow as a parent run, whose children are the runs of its trials."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from clue_ner.common.errors import ArtifactError
from clue_ner.experiments.revision import read_file
from clue_ner.experiments.sweep_space import Sweep
from clue_ner.tracking import Journal, push

_log = logging.getLogger(__name__)


class Recorder:
    """Keeps the journal of a sweep; MLflow gets it after each trial, or later with ``clue-ner sync``."""

    def __init__(self, root: Path, sweep: Sweep, base: Mapping[str, Any], text: str, fingerprint: str) -> None:
        self.root, self.fingerprint, self.journal = root, fingerprint, Journal(root, fingerprint)
        tags = {"clue_ner.experiment": f"sweep {sweep.name}", "clue_ner.sweep": sweep.name}
        self.journal.begin(_without(base, sweep), tags, text, {}, name="sweep.yaml")
        searched = "\n".join(f"- `{name}`" for name in sweep.space)
        self.journal.describe(
            f"Search for a better valid F1; the trials are the runs below this one. Searched:\n\n{searched}"
        )

    def __enter__(self) -> "Recorder":
        push(self.root, self.fingerprint)
        return self

    def trial(self, number: int, valid_f1: float, best: float, experiment: str) -> None:
        """Record a trial's score and the best so far at the step of its number, and make its run a child."""
        self.journal.metrics(number, {"sweep/valid_micro_f1": valid_f1, "sweep/best_valid_micro_f1": best})
        try:
            config = json.loads(read_file(self.root, experiment, "models/tagger/tagger.json"))
            self.journal.child(config["trained"]["fingerprint"])
        except (ArtifactError, OSError, ValueError, KeyError) as error:
            _log.warning("trial %d: its run is not shown below the sweep's: %s", number, error)
        push(self.root, self.fingerprint)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.journal.end()
        push(self.root, self.fingerprint, again=True)


def _without(base: Mapping[str, Any], sweep: Sweep) -> dict[str, Any]:
    """The params that all trials share; searched ones are null, so the run does not have them."""
    values = {name: dict(value) if isinstance(value, dict) else value for name, value in base.items()}
    for name in sweep.space:
        section, _, key = name.partition(".")
        values[section][key] = None
    return values
