"""Sends MLflow what is missing there: runs, scores, files, model versions."""

import contextlib
import itertools
import shlex
import shutil
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clue_ner.common.errors import ArtifactError, ClueNerError, TrackingError
from clue_ner.common.paths import home_of
from clue_ner.core.params import load_params
from clue_ner.tagger.config import TaggerConfig
from clue_ner.tracking import model_registry
from clue_ner.tracking.journal import Journal, journals
from clue_ner.tracking.replay import replay, restore, restore_evaluation
from clue_ner.tracking.store import PATIENT, Store, connect, translated, waiting

DROPPED = ".tracking/dropped"


@dataclass
class Summary:
    """The result of ``sync``."""

    runs: list[str] = field(default_factory=list)
    """fingerprints of the trainings that are complete in MLflow"""
    deleted: list[str] = field(default_factory=list)
    """those whose run was deleted in MLflow"""
    restored: list[str] = field(default_factory=list)
    """those whose journal was created from artifacts, for example after ``dvc pull``"""
    versions: list[model_registry.Version] = field(default_factory=list)
    """model versions of models/export and of models that could not be registered before"""
    dropped: list[str] = field(default_factory=list)
    """what was set aside on the user's request: its new location, and why it could not be sent"""
    problems: list[str] = field(default_factory=list)
    """what could not be sent, and why"""


def sync(root: Path, drop: Iterable[str] = ()) -> Summary:
    """Bring MLflow up to date with all journals, models/tagger and models/export; running it again changes nothing.

    Failed parts of trainings whose fingerprints begin with one of ``drop`` are moved to ``.tracking/dropped/`` and not
    sent again. Raises TrackingError if the store does not answer, or if there is no training for a value of ``drop``;
    all other errors are in ``problems``, and the rest is still sent.
    """
    summary = Summary()
    unwanted = {_training(root, beginning) for beginning in drop}
    with waiting(PATIENT):
        store = connect(root)
        if (root / "models" / "tagger" / "tagger.json").exists():
            with _noted(summary):
                summary.restored += _restore(root)
        for journal in journals(root):
            with _noted(summary), _droppable(summary, root, unwanted, journal.path, journal.files):
                _send(store, journal, summary)
        for folder in model_registry.kept_for_later(root):
            with _noted(summary), _droppable(summary, root, unwanted, folder):
                summary.versions.append(model_registry.register_kept(store, folder))
        export = root / "models" / "export"
        if (export / "tagger" / "tagger.json").exists():
            with _noted(summary):
                tracking = load_params(root / "params.yaml").tracking
                summary.versions.append(model_registry.register_in(store, export, tracking))
    summary.versions = sorted(set(summary.versions))
    return summary


def tags_of_training(root: Path, fingerprint: str) -> dict[str, str]:
    """The record of a training, such as its commit, from its journal here or else from the store's run.

    Raises TrackingError if there is neither.
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


def _training(root: Path, beginning: str) -> str:
    """The only training in ``.tracking/`` whose fingerprint, or file name, has this beginning."""
    names = {journal.fingerprint for journal in journals(root)}
    names |= {model_registry.training_of(folder) for folder in model_registry.kept_for_later(root)}
    found = sorted(name for name in names if beginning and name.startswith(beginning))
    if len(found) != 1:
        there = ", ".join(name[:12] for name in found or sorted(names)) or "none"
        raise TrackingError(f"{beginning!r}: wanted the beginning of one training in .tracking/, there are: {there}")
    return found[0]


def _send(store: Store, journal: Journal, summary: Summary) -> None:
    """Replay a journal; after the other lines are sent, raises ArtifactError for lines that could not be read."""
    if replay(store, journal, PATIENT) is None:
        summary.deleted.append(journal.fingerprint)
        return
    summary.runs.append(journal.fingerprint)
    if (record := journal.read()) and record.damaged:
        raise ArtifactError(f"{journal.path}: damaged lines, skipped: {record.damaged}")


def _restore(root: Path) -> list[str]:
    """The fingerprint of models/tagger, in a list, if its journal had to be created; not if it was dropped."""
    fingerprint = TaggerConfig.load(root / "models" / "tagger").trained.fingerprint
    journal = Journal(root, fingerprint)
    if journal.read() is not None or list((home_of(root) / DROPPED).glob(f"*/{journal.path.name}")):
        return []
    try:
        restore_evaluation(root, restore(root, fingerprint))
    except (KeyError, TypeError) as error:
        raise ArtifactError(
            f"{root / 'metrics'}: train.json or evaluate.json is not what the stages write ({error!r}); run `dvc repro`"
        ) from None
    return [fingerprint]


@contextlib.contextmanager
def _noted(summary: Summary) -> Iterator[None]:
    try:
        yield
    except (ClueNerError, OSError) as error:
        summary.problems.append(str(error))


@contextlib.contextmanager
def _droppable(summary: Summary, root: Path, unwanted: Container[str], *paths: Path) -> Iterator[None]:
    """If the block fails, set the ``paths`` of a training aside if it is ``unwanted``, else add how to do that."""
    name = model_registry.training_of(paths[0]).removesuffix(".jsonl")
    try:
        yield
    except (ClueNerError, OSError) as error:
        if name not in unwanted:
            advice = f"`clue-ner sync --drop {shlex.quote(name[:12])}` sets it aside"
            raise TrackingError(f"{error}; if that cannot be fixed, {advice}") from None
        summary.dropped.append(f"{_set_aside(root, name, *paths)}: {error}")


def _set_aside(root: Path, name: str, *paths: Path) -> Path:
    """Move files and folders of a training to a new folder in ``.tracking/dropped/``, which is returned."""
    folders = (home_of(root) / DROPPED / f"{name}-{number}" for number in itertools.count(1))
    target = next(folder for folder in folders if not folder.exists())
    target.mkdir(parents=True)
    for path in paths:
        if path.exists() or path.is_symlink():
            shutil.move(path, target)
    return target
