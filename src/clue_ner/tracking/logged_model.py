"""The data of a version in MLflow's Models tab: its params, and its scores on named datasets."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clue_ner.common.errors import TrackingError
from clue_ner.common.redaction import redact
from clue_ner.tracking import view
from clue_ner.tracking.journal import Record, rounded
from clue_ner.tracking.store import PATIENT, Store, connect, translated, waiting

DIGEST = 36
"""The number of characters of a dataset's digest that MLflow keeps."""
DEVICE = "clue_ner.eval_device"
"""The tag of a model for the device of the last ``eval/`` scores."""
TEST, EVAL = "test/", "eval/"
"""What the names of metrics begin with: of the pipeline's own test split, and of what ``clue-ner evaluate`` adds."""


def scores(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of an evaluation as metrics/evaluate.json has it, by MLflow's names for them."""
    found = {
        f"{TEST}{name}_{key}": evaluation[name][key]
        for name in ("micro", "lenient")
        for key in ("f1", "precision", "recall")
    }
    per_type = {view.metric_name(t): score["f1"] for t, score in evaluation["micro"]["per_type"].items()}
    found = {**found, f"{TEST}official_macro_f1": evaluation["official"]["macro_f1"], **per_type}
    return {name: rounded(value) for name, value in found.items()}


def log_evaluation(root: Path, fingerprint: str, dataset: str, evaluation: Mapping[str, Any]) -> str:
    """Give the models of the training ``fingerprint`` their scores on ``dataset``; what MLflow calls the models.

    There are several if the training was exported in several sets of formats.

    The metrics begin with ``eval/``; ``evaluation["fingerprint"]`` is their dataset's digest, and ``["device"]`` where
    the model tagged it. The same scores on the same dataset are logged once; others are the metrics' next step. Raises
    TrackingError if MLflow has no such model, or not the run that made it.
    """
    from mlflow.entities import Metric

    values = {name.replace(TEST, EVAL, 1): value for name, value in scores(evaluation).items()}
    about = {"dataset_name": dataset, "dataset_digest": evaluation["fingerprint"][:DIGEST]}
    with waiting(PATIENT):
        store = connect(root)
        with translated(f"MLflow at {store.uri}: the model of training {fingerprint[:12]}"):
            models = _models_of(store, fingerprint)
            for model in models:
                logged = [metric for metric in model.metrics or [] if metric.key in values]
                if {m.key: m.value for m in sorted(logged, key=lambda m: m.step) if _is_about(m, about)} != values:
                    step = max((metric.step for metric in logged), default=-1) + 1
                    now = time.time_ns() // 1_000_000
                    metrics = [
                        Metric(key, value, now, step, model_id=model.model_id, **about) for key, value in values.items()
                    ]
                    store.client.log_batch(model.source_run_id, metrics=metrics)
                if model.tags.get(DEVICE) != evaluation["device"]:  # also if a kill came between the two requests
                    store.client.set_logged_model_tags(model.model_id, {DEVICE: evaluation["device"]})
    return ", ".join(f"models:/{model.model_id} ({model.name})" for model in models)


def _is_about(metric: Any, about: Mapping[str, str]) -> bool:
    return (metric.dataset_name, metric.dataset_digest) == (about["dataset_name"], about["dataset_digest"])


def _models_of(store: Store, fingerprint: str) -> list[Any]:
    """The logged models of a training that have a run to keep their metrics; TrackingError if there is none."""
    experiments = [experiment.experiment_id for experiment in store.client.search_experiments()]
    found = store.client.search_logged_models(experiments, f"tags.`clue_ner.fingerprint` = '{fingerprint}'")
    kept = [
        model
        for model in found
        if model.source_run_id and store.client.get_run(model.source_run_id).info.lifecycle_stage == "active"
    ]
    if kept:
        return kept
    what = "its run is deleted or was never recorded" if found else "it has no such model"
    raise TrackingError(
        f"MLflow at {redact(store.uri)}: the model of training {fingerprint[:12]} takes no scores, {what}; "
        "register it with `clue-ner sync`, or leave out --log"
    )


def describe(store: Store, run: Any, record: Record) -> None:
    """Add the missing params and scores of the journal to the model that ``run`` logged, if it logged one."""
    from mlflow.entities import Metric

    for output in run.outputs.model_outputs if run.outputs else []:
        model = store.client.get_logged_model(output.model_id)
        if model.tags.get("clue_ner.fingerprint") != record.begin["tags"]["clue_ner.fingerprint"]:
            continue
        params = {name: value for name, value in record.begin["params"].items() if name not in model.params}
        if params:
            store.client.log_model_params(model.model_id, params)
        there = {(metric.key, metric.step) for metric in model.metrics or []}
        missing = [
            Metric(key, value, when, step, model_id=model.model_id, **_dataset(record, key, step))
            for (key, step), (value, when) in record.points.items()
            if (key == "valid/best_micro_f1" or key.startswith("test/")) and (key, step) not in there
        ]
        if missing:
            store.client.log_batch(run.info.run_id, metrics=missing)


def _dataset(record: Record, key: str, step: int) -> dict[str, str]:
    """The dataset of a score, as arguments of MLflow's metrics; empty for scores of earlier releases without one."""
    described = record.begin["dataset"]
    if key.startswith("test/"):
        described = next((d for d in reversed(record.datasets) if d["step"] <= step), {})
    if not described:
        return {}
    return {"dataset_name": described["name"], "dataset_digest": described["fingerprint"][:DIGEST]}
