"""The data of a version in MLflow's Models tab: its params, and its scores on named datasets."""

from typing import Any

from clue_ner.tracking.journal import Record
from clue_ner.tracking.store import Store

DIGEST = 36
"""The number of characters of a dataset's digest that MLflow keeps."""


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
