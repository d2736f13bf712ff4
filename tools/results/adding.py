"""From a finished training to a row of results."""

import logging
import tempfile
import time
from pathlib import Path
from typing import Any

from clue_ner.common.errors import ArtifactError, TrackingError
from clue_ner.core.entities import fingerprint
from clue_ner.evaluation.scores import micro_f1, sentence_counts
from clue_ner.tracking.journal import Journal
from clue_ner.tracking.sync import tags_of_training
from tools.results.experiment import AGAIN, MODEL, Experiment
from tools.results.rows import Row, own_params, row_name, write_row

SECONDS = "train/seconds"
"""The journal's metric of how long an epoch took, with validation."""

_log = logging.getLogger(__name__)


def add(root: Path, experiment: Experiment, *, timed: str | None = None, replace: bool = False) -> Row:
    """Write the row of a training into docs/results/ of ``root``.

    ``timed``, ``all`` or ``tagging``, also writes how fast its model tags, which is measured now, and with ``all`` how
    fast it trained, from its journal: only where nothing else ran or runs. A param that the training's code did not
    have yet is written with the value that params.yaml of ``root`` has now, and named in a warning. Raises
    ArtifactError if the predictions do not give the scores in metrics/, if the row is there already and is not to
    ``replace`` that one, or if there is nothing to take the times from.
    """
    scores = experiment.evaluation
    counts = sentence_counts(experiment.gold, experiment.predicted)
    if abs(micro_f1(counts) - scores["micro"]["f1"]) > 1e-5:
        raise ArtifactError(
            f"{experiment.files.name}: data/predictions give micro F1 {micro_f1(counts):.6f}, and "
            f"metrics/evaluate.json has {scores['micro']['f1']}; {AGAIN}"
        )
    params = _complete(root, experiment)
    times = _training(experiment) if timed == "all" else {}
    if timed is not None:
        times["tagging"] = round(_tagging(experiment), 1)
    row = Row(
        row=row_name(params),
        corpus=params["corpus.name"],
        backbone=params["backbone.name"],
        head=params["train.head"],
        align=params["tagging.align"],
        scheme=params["tagging.scheme"],
        seed=params["seed"],
        valid_f1=experiment.train["valid_micro_f1"],
        micro_precision=scores["micro"]["precision"],
        micro_recall=scores["micro"]["recall"],
        **_score("micro", scores["micro"], "f1"),
        **_score("lenient", scores["lenient"], "f1"),
        **_score("official", scores["official"], "macro_f1"),
        parameters=experiment.parameters(),
        model_bytes=experiment.model_bytes,
        train_minutes=times.get("minutes"),
        train_characters_per_second=times.get("training"),
        tag_characters_per_second=times.get("tagging"),
        device=_device(experiment),
        commit=experiment.commit,
        command=experiment.command,
        test=fingerprint(experiment.gold),
        params=params,
    )
    write_row(root, row, scores["micro"]["per_type"], counts, replace=replace)
    return row


def _complete(root: Path, experiment: Experiment) -> dict[str, Any]:
    here = own_params(root)
    if missing := sorted(here.keys() - experiment.params.keys()):
        taken = ", ".join(f"{name} as {here[name]!r}" for name in missing)
        _log.warning(
            "%s: its code did not have these params yet, so these values are used: %s", experiment.files.name, taken
        )
    return here | experiment.params


def _score(name: str, score: dict[str, Any], key: str) -> dict[str, float]:
    low, high = score["f1_ci95"]
    return {f"{name}_f1": score[key], f"{name}_low": low, f"{name}_high": high}


def _fingerprint(experiment: Experiment) -> str:
    return str(experiment.files.json(f"{MODEL}/tagger.json")["trained"]["fingerprint"])


def _device(experiment: Experiment) -> str:
    """Where it was trained, from its journal or MLflow, else ``unknown``."""
    try:
        return tags_of_training(experiment.root, _fingerprint(experiment))["clue_ner.device"]
    except (ArtifactError, TrackingError, KeyError) as error:
        _log.warning("device unknown: %s", error)
        return "unknown"


def _training(experiment: Experiment) -> dict[str, float]:
    """Minutes of the training, and characters a second that it trained on."""
    record = Journal(experiment.root, _fingerprint(experiment)).read()
    seconds = [] if record is None else [value for (name, _), (value, _) in record.points.items() if name == SECONDS]
    if len(seconds) != len(experiment.train["epochs"]):
        raise ArtifactError(
            f"{experiment.root}/.tracking: seconds of {len(seconds)} epochs of this training, wanted "
            f"{len(experiment.train['epochs'])}; leave --timed out, or train again there"
        )
    trained = experiment.files.json("metrics/corpus.json")["splits"]["train"]["characters"] * len(seconds)
    return {"minutes": round(sum(seconds) / 60, 2), "training": round(trained / sum(seconds), 1)}


def _tagging(experiment: Experiment) -> float:
    """Characters of the test split a second that the model tags, in windows of 64, the best of three times."""
    from clue_ner.tagger.tagger import Tagger

    texts = [sentence.text for sentence in experiment.gold]
    with tempfile.TemporaryDirectory() as place:
        experiment.files.tree.get(MODEL, f"{place}/tagger", recursive=True)
        tagger = Tagger.load(f"{place}/tagger", "torch")
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        for _reading in tagger.read(texts):
            pass
        best = min(best, time.perf_counter() - began)
    return sum(map(len, texts)) / best
