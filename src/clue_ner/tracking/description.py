"""The description of a run in MLflow: its differences, its scores with intervals, its warnings."""

from collections.abc import Mapping
from typing import Any

from clue_ner.tracking.journal import Record

TAG = "mlflow.note.content"
"""The tag in which MLflow stores the description of a run."""
LENGTH = 5000
"""The number of characters that every store of MLflow can keep."""
SCORES = {"micro": "f1", "lenient": "f1", "official": "macro_f1"}
"""A score in metrics/evaluate.json, and the key of its F1 there."""


def text(record: Record, evaluation: Mapping[str, Any] | None = None) -> str:
    """The description, in Markdown, of a run with this journal and, if it was scored, this metrics/evaluate.json."""
    parts = [_changed(record), _valid(record)]
    if evaluation is not None:
        parts += [_scores(evaluation) if evaluation["split"] else "", _warnings(evaluation)]
    return "\n\n".join(part for part in parts if part)[:LENGTH]


def _changed(record: Record) -> str:
    """How the params differ from those that the training started from; empty if git does not know these."""
    changed = record.begin.get("changed")
    if not changed:
        return ""
    lines = [f"`{name}` {ours} ({theirs})" for name, (theirs, ours) in changed["params"].items()]
    base = f"params.yaml of commit {changed['commit'][:7]}"
    return f"Differs from {base} in {', '.join(lines)}." if lines else f"The params of {base}."


def _valid(record: Record) -> str:
    best = [(step, value) for (name, step), (value, _) in record.points.items() if name == "valid/best_micro_f1"]
    if not best:
        return ""
    epochs = max((step for name, step in record.points if name == "valid/micro_f1"), default=best[-1][0])
    step, value = best[-1]
    return f"Valid F1 {100 * value:.2f}, in epoch {step} of {epochs}."


def _scores(evaluation: Mapping[str, Any]) -> str:
    lines = [f"| F1 on {evaluation['split']}, % | | 95 % interval |", "| --- | --- | --- |"]
    for name, key in SCORES.items():
        score = evaluation[name]
        low, high = score["f1_ci95"]
        lines.append(f"| {name} | {100 * score[key]:.2f} | {100 * low:.2f} – {100 * high:.2f} |")
    return "\n".join(lines)


def _warnings(evaluation: Mapping[str, Any]) -> str:
    texts = evaluation.get("warnings", {"texts": []})["texts"]  # metrics of an earlier release have none
    return "\n".join(["Warnings:", "", *(f"- {' '.join(line.split())}" for line in texts)]) if texts else ""
