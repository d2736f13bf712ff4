"""From journals to MLflow: missing data is added, and nothing is logged twice."""

import hashlib
import json
import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from clue_ner.common.errors import ClueNerError, TrackingError
from clue_ner.common.files import read_json, sha256
from clue_ner.common.paths import home_of
from clue_ner.core.params import load_params
from clue_ner.core.yaml import to_yaml
from clue_ner.tagger.config import TaggerConfig
from clue_ner.tracking import description, logged_model, provenance, view
from clue_ner.tracking.journal import Journal, Record, rounded
from clue_ner.tracking.store import (
    QUICK,
    Patience,
    Store,
    connect,
    experiment_id,
    import_mlflow,
    translated,
    waiting,
)

REST_SECONDS = 120
"""Seconds for which a training does not contact the store after a failure."""
WARNINGS = "clue_ner.warnings"
"""The tag of a run with the warnings of metrics/evaluate.json, one line each."""
FAILURE = "clue_ner.failure"
"""The tag of a run with the reason why it failed."""
TAG_LENGTH = 5000
"""The number of characters of a tag that every store of MLflow can keep."""
BATCH = 1000
"""The number of metric points that MLflow accepts in one request."""

EPOCH_METRICS = {
    "loss": "train/loss",
    "seconds": "train/seconds",
    "peak_memory_gb": "train/peak_memory_gb",
    "valid_micro_f1": "valid/micro_f1",
    "valid_precision": "valid/precision",
    "valid_recall": "valid/recall",
}
"""Key of an epoch in metrics/train.json, and the name of its metric."""

_log = logging.getLogger(__name__)
_resting: dict[Path, float] = {}


def push(root: Path, fingerprint: str, *, again: bool = False) -> bool:
    """Make MLflow equal to the journal of a training; False, and one line of warning, if that is not possible now.

    It takes a few seconds at most: a store that failed is not contacted for two minutes, unless ``again``.
    """
    home = home_of(root)
    if not again and time.monotonic() < _resting.get(home, 0.0):
        return False
    try:
        with waiting(QUICK):
            replay(connect(root), Journal(root, fingerprint))
    except TrackingError as error:
        _resting[home] = time.monotonic() + REST_SECONDS
        _log.warning("%s; kept in .tracking/, and sent to MLflow by `clue-ner sync`", error)
        return False
    _resting.pop(home, None)
    return True


def record_beginning(root: Path, fingerprint: str) -> bool:
    """Record the description of a run whose journal was started, and push."""
    _describe(Journal(root, fingerprint))
    return push(root, fingerprint)


def record_epoch(root: Path, fingerprint: str, epoch: Mapping[str, Any]) -> bool:
    """Record one epoch, as in ``epochs`` of metrics/train.json, and push."""
    _note_epoch(Journal(root, fingerprint), epoch)
    return push(root, fingerprint)


def record_training(root: Path, fingerprint: str, train: Mapping[str, Any], files: Iterable[Path]) -> bool:
    """Record the end of a training, the content of metrics/train.json and ``files``, and push."""
    _note_training(Journal(root, fingerprint), train, files)
    return push(root, fingerprint, again=True)


def record_failure(root: Path, fingerprint: str, reason: str) -> bool:
    """Record that a training failed permanently, and push."""
    journal = Journal(root, fingerprint)
    journal.tags({FAILURE: reason[:TAG_LENGTH]})
    journal.end("FAILED")
    return push(root, fingerprint, again=True)


def record_evaluation(root: Path, fingerprint: str, evaluation: Mapping[str, Any], files: Iterable[Path]) -> bool:
    """Record the scores and warnings of metrics/evaluate.json and ``files``, and push.

    Evaluating again with the same scores adds nothing; other scores become the metrics' next step. For a training
    without a journal, for example from DVC's cache, one is created from its artifacts.
    """
    journal = Journal(root, fingerprint)
    if journal.read() is None:
        try:
            restore(root, fingerprint)
        except ClueNerError as error:
            _log.warning("%s; the test scores are not in MLflow", error)
            return False
    _note_evaluation(journal, evaluation, files)
    return push(root, fingerprint, again=True)


def restore(root: Path, fingerprint: str) -> Journal:
    """Create the journal of a training that did not run here from models/tagger, metrics and plots, tagged as restored.

    Raises TrackingError if these are not of the training ``fingerprint``. Its times are those of the restoration.
    """
    folder, path = root / "models" / "tagger", root / "metrics" / "train.json"
    config, train = TaggerConfig.load(folder), read_json(path)
    trained = config.trained
    if trained.fingerprint != fingerprint:
        raise TrackingError(
            f"{folder}: of training {trained.fingerprint[:12]}, wanted {fingerprint[:12]}; run `dvc repro`"
        )
    if train["valid_micro_f1"] != trained.valid_micro_f1:
        raise TrackingError(
            f"{path}: valid F1 {train['valid_micro_f1']}, but {folder} was trained to {trained.valid_micro_f1}; "
            "make them match with `dvc checkout` or `dvc repro`"
        )
    params = {**load_params(root / "params.yaml").model_dump(), **trained.params}
    tags = provenance.run_tags(params, device="unknown") | provenance.tagger_tags(trained)
    tags |= {"clue_ner.restored": "true"}
    journal = Journal(root, fingerprint)
    journal.begin(params, tags, to_yaml(params), provenance.dataset(config), changed=provenance.changed(root, params))
    _note_training(journal, train, [])
    return journal


def restore_evaluation(root: Path, journal: Journal) -> None:
    """Add metrics/evaluate.json and plots to a restored journal, if they exist."""
    path = root / "metrics" / "evaluate.json"
    if path.exists():
        _note_evaluation(journal, read_json(path), sorted(p for p in (root / "plots").glob("*") if p.is_file()))


def replay(store: Store, journal: Journal, patience: Patience = QUICK) -> str | None:
    """Add to MLflow what is in the journal and missing there; the run's id, or None if the user deleted the run.

    Raises TrackingError if there is no journal, if another process is replaying it, or if the store fails; the next
    call then resumes where this one stopped.
    """
    record = journal.read()
    if record is None:
        raise TrackingError(f"{journal.path}: its beginning is missing or damaged, so its run cannot be identified")
    experiment = experiment_id(store, record.begin["experiment"])
    lock = FileLock(journal.path.with_suffix(".push.lock"), timeout=patience.seconds)
    with translated(f"MLflow at {store.uri}: run {record.begin['name']}"), lock:
        run = _find(store, experiment, journal.fingerprint, record) or store.client.create_run(
            experiment, start_time=record.begin["time"], tags=record.begin["tags"], run_name=record.begin["name"]
        )
        if run.info.lifecycle_stage == "deleted":
            return None
        _add_params(store, run, record)
        _add_tags(store, run, record)
        _add_points(store, run, record)
        _add_description(store, run, record)
        _add_datasets(store, run, record)
        logged_model.describe(store, run, record)
        if run.data.tags.get("clue_ner.journal") == record.begin["id"]:
            _add_artifacts(store, run, journal, record)
            if record.status and (run.info.status, run.info.end_time) != (record.status, record.end):
                store.client.set_terminated(run.info.run_id, record.status, record.end)
        run_id = str(run.info.run_id)
        if dataset := record.begin["dataset"]:
            view.keep(store, experiment, _by_type(record), dataset["name"])
    for child in record.children:
        _add_child(store, run_id, Journal(store.home, child), patience)
    return run_id


def _find(store: Store, experiment: str, fingerprint: str, record: Record) -> Any:
    """The run of this journal; for a restored one also a run of the original training."""
    import_mlflow()
    from mlflow.entities import ViewType

    def search(tag: str, value: str, view: int) -> list[Any]:
        return list(store.client.search_runs([experiment], f"tags.`{tag}` = '{value}'", view))

    own = search("clue_ner.journal", record.begin["id"], ViewType.ALL)
    if own:
        return _only(store, own)
    if "clue_ner.restored" in record.begin["tags"]:
        others = search("clue_ner.fingerprint", fingerprint, ViewType.ACTIVE_ONLY)
        return min(others, key=lambda run: int(run.info.start_time), default=None)
    return None


def _only(store: Store, runs: list[Any]) -> Any:
    """The most complete of several runs of one journal; the others are deleted.

    There are several if a server executed a request to create the run after its client had stopped waiting.
    """
    active = [run for run in runs if run.info.lifecycle_stage == "active"]
    first, *others = sorted(active, key=lambda run: (-len(run.data.metrics), run.info.run_id)) or runs[:1]
    for run in others:
        store.client.delete_run(run.info.run_id)
    return first


def _add_params(store: Store, run: Any, record: Record) -> None:
    from mlflow.entities import Param

    missing = [Param(key, value) for key, value in record.begin["params"].items() if key not in run.data.params]
    if missing:
        store.client.log_batch(run.info.run_id, params=missing)


def _add_tags(store: Store, run: Any, record: Record) -> None:
    for name, value in record.tags.items():
        if value and run.data.tags.get(name) != value:
            store.client.set_tag(run.info.run_id, name, value)
        if not value and name in run.data.tags:
            store.client.delete_tag(run.info.run_id, name)


def _add_description(store: Store, run: Any, record: Record) -> None:
    """Set the latest description, unless a user has edited the existing one."""
    there = run.data.tags.get(description.TAG)
    if record.descriptions and there != record.descriptions[-1] and there in (None, *record.descriptions):
        store.client.set_tag(run.info.run_id, description.TAG, record.descriptions[-1])


def _add_points(store: Store, run: Any, record: Record) -> None:
    from mlflow.entities import Metric

    there = {
        (key, point.step)
        for key in {key for key, _ in record.points} & run.data.metrics.keys()
        for point in store.client.get_metric_history(run.info.run_id, key)
    }
    missing = [
        Metric(key, value, when, step)
        for (key, step), (value, when) in record.points.items()
        if (key, step) not in there
    ]
    for first in range(0, len(missing), BATCH):
        store.client.log_batch(run.info.run_id, metrics=missing[first : first + BATCH])


def _add_datasets(store: Store, run: Any, record: Record) -> None:
    """Log the datasets on which the run was trained and scored."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    described = [("training", record.begin["dataset"]), *(("evaluation", dataset) for dataset in record.datasets)]
    wanted = {(d["name"], d["fingerprint"][: logged_model.DIGEST]): (context, d) for context, d in described if d}
    inputs = [] if run.inputs is None else run.inputs.dataset_inputs
    missing = [
        DatasetInput(
            Dataset(
                name=name,
                digest=digest,
                source_type="code",
                source=json.dumps({"tags": {"mlflow.source.name": "stages/download.py"}}),
                profile=json.dumps(dataset, ensure_ascii=False),
            ),
            [InputTag("mlflow.data.context", context)],
        )
        for (name, digest), (context, dataset) in wanted.items()
        if (name, digest) not in {(i.dataset.name, i.dataset.digest) for i in inputs}
    ]
    if missing:
        store.client.log_inputs(run.info.run_id, missing)


def _by_type(record: Record) -> list[str]:
    """The metrics with the F1 of single types; older journals only have types once these are scored."""
    types = record.begin["dataset"].get("types")
    scored = sorted({name for name, _ in record.points if name.startswith(f"{view.MICRO}.")})
    return scored if types is None else [view.metric_name(type_) for type_ in types]


def _add_child(store: Store, parent: str, journal: Journal, patience: Patience) -> None:
    """Nest a training's run below the run ``parent``, if it has a run and is not nested already."""
    if journal.read() is None:
        return
    try:
        run_id = replay(store, journal, patience)
    except TrackingError:  # its own journal is replayed too, and reports it
        return
    if run_id is None:
        return
    with translated(f"MLflow at {store.uri}: run {run_id}"):
        if "mlflow.parentRunId" not in store.client.get_run(run_id).data.tags:
            store.client.set_tag(run_id, "mlflow.parentRunId", parent)


def _add_artifacts(store: Store, run: Any, journal: Journal, record: Record) -> None:
    """Upload the files, then record which; after a kill between the two, the same files are uploaded again."""
    digest = hashlib.sha256()
    for name in sorted(record.artifacts):
        digest.update(f"{name}\0{sha256(journal.files / name)}\n".encode())
    if run.data.tags.get("clue_ner.artifacts") == digest.hexdigest():
        return
    for name in record.artifacts:
        folder = Path(name).parent
        store.client.log_artifact(run.info.run_id, str(journal.files / name), None if folder == Path() else str(folder))
    store.client.set_tag(run.info.run_id, "clue_ner.artifacts", digest.hexdigest())


def _note_epoch(journal: Journal, epoch: Mapping[str, Any]) -> None:
    journal.metrics(
        epoch["epoch"], {name: epoch[key] for key, name in EPOCH_METRICS.items() if epoch.get(key) is not None}
    )


def _note_training(journal: Journal, train: Mapping[str, Any], files: Iterable[Path]) -> None:
    for epoch in train["epochs"]:
        _note_epoch(journal, epoch)
    if train["valid_micro_f1"] is not None:
        journal.metrics(train["best_epoch"], {"valid/best_micro_f1": train["valid_micro_f1"]})
    _describe(journal)
    _note_files(journal, "train.json", train, files)
    journal.end()


def _note_evaluation(journal: Journal, evaluation: Mapping[str, Any], files: Iterable[Path]) -> None:
    scores = logged_model.scores(evaluation) if evaluation["split"] else {}
    record = journal.read()
    before = (
        {}
        if record is None
        else {key: rounded(value) for key, (value, _) in record.points.items() if key[0].startswith("test/")}
    )
    last = max((step for _, step in before), default=-1)
    if {name: value for (name, step), value in before.items() if step == last} != scores:
        last += 1
        journal.metrics(last, scores)
    if record is not None and record.begin["dataset"] and evaluation.get("fingerprint"):
        _note_dataset(journal, record, evaluation, last)
    texts = evaluation.get("warnings", {"texts": []})["texts"]  # metrics of an earlier release have none
    journal.tags({WARNINGS: "\n".join(texts)[:TAG_LENGTH]})
    _note_files(journal, "evaluate.json", evaluation, files)
    _describe(journal)


def _note_dataset(journal: Journal, record: Record, evaluation: Mapping[str, Any], step: int) -> None:
    described = {
        "name": f"{record.begin['dataset']['name']}-{evaluation['split']}",
        **{key: evaluation[key] for key in ("fingerprint", "sentences", "entities")},
    }
    if not record.datasets or record.datasets[-1]["fingerprint"] != described["fingerprint"]:
        journal.dataset(step, described)


def _describe(journal: Journal) -> None:
    """Record the run's current description, from the journal and its evaluation."""
    scores = journal.files / "metrics" / "evaluate.json"
    if (record := journal.read()) is not None:
        journal.describe(description.text(record, read_json(scores) if scores.exists() else None))


def _note_files(journal: Journal, name: str, metrics: Mapping[str, Any], files: Iterable[Path]) -> None:
    journal.artifact(f"metrics/{name}", json.dumps(metrics, ensure_ascii=False, indent=2) + "\n")
    for path in files:
        journal.artifact(f"plots/{path.name}", path)
