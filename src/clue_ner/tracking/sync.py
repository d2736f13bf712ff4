"""Sends MLflow everything that it missed: runs, scores, files, model versions."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clue_ner.common.errors import ClueNerError, TrackingError
from clue_ner.core.params import load_params
from clue_ner.tagger.config import TaggerConfig
from clue_ner.tracking import model_registry
from clue_ner.tracking.journal import Journal, journals
from clue_ner.tracking.replay import replay, restore, restore_evaluation
from clue_ner.tracking.store import PATIENT, connect, translated, waiting


@dataclass
class Summary:
    """What ``sync`` found and did."""

    runs: list[str] = field(default_factory=list)
    """fingerprints of the trainings that MLflow has in full"""
    restored: list[str] = field(default_factory=list)
    """those whose journal was made from artifacts, as after ``dvc pull``"""
    versions: list[model_registry.Version] = field(default_factory=list)
    """model versions of models/export and of what could not be registered before"""
    problems: list[str] = field(default_factory=list)
    """what is still missing, and why"""


def sync(root: Path) -> Summary:
    """Bring MLflow up to date with all journals, models/tagger and models/export; twice is as good as once.

    Raises TrackingError if the store does not answer; what else goes wrong is in ``problems``, and the rest is done.
    """
    summary = Summary()
    with waiting(PATIENT):
        store = connect(root)
        if (root / "models" / "tagger" / "tagger.json").exists():
            with _noted(summary):
                summary.restored += _restore(root)
        for journal in journals(root):
            with _noted(summary):
                replay(store, journal, PATIENT)
                summary.runs.append(journal.fingerprint)
            if (record := journal.read()) and record.damaged:
                summary.problems.append(f"{journal.path}: damaged lines, passed over: {record.damaged}")
        for folder, tracking in model_registry.kept_for_later(root):
            with _noted(summary):
                summary.versions.append(model_registry.register_in(store, folder, tracking))
                shutil.rmtree(folder)
        export = root / "models" / "export"
        if (export / "tagger" / "tagger.json").exists():
            with _noted(summary):
                tracking = load_params(root / "params.yaml").tracking
                summary.versions.append(model_registry.register_in(store, export, tracking))
    summary.versions = sorted(set(summary.versions))
    return summary


def tags_of_training(root: Path, fingerprint: str) -> dict[str, str]:
    """What was recorded of a training, such as its commit: in its journal here, or else in the store's run.

    Raises TrackingError if neither knows it.
    """
    if (record := Journal(root, fingerprint).read()) is not None:
        return dict(record.begin["tags"])
    if model_registry.has_store(root):
        with waiting(PATIENT):
            store = connect(root)
            with translated(f"MLflow at {store.uri}"):
                experiments = [experiment.experiment_id for experiment in store.client.search_experiments()]
                found = store.client.search_runs(experiments, f"tags.`clue_ner.fingerprint` = '{fingerprint}'")
        if found:
            return dict(found[-1].data.tags)
    raise TrackingError(f"training {fingerprint[:12]} has neither a journal in .tracking/ nor a run in MLflow")


def _restore(root: Path) -> list[str]:
    """The fingerprint of models/tagger, in a list, if its journal had to be made."""
    fingerprint = TaggerConfig.load(root / "models" / "tagger").trained.fingerprint
    if Journal(root, fingerprint).read() is not None:
        return []
    restore_evaluation(root, restore(root, fingerprint))
    return [fingerprint]


@contextlib.contextmanager
def _noted(summary: Summary) -> Iterator[None]:
    try:
        yield
    except ClueNerError as error:
        summary.problems.append(str(error))
