"""What a person reads of a run, and that it gives way to what they write themselves."""

from pathlib import Path

import pytest
from support.tracking_repository import (
    EVALUATION,
    begin,
    local_client,
    own_store,  # noqa: F401
    ready_store,  # noqa: F401
    runs,
    training,
    write_repository,
)

from clue_ner.tracking import Journal, push, record_evaluation, record_training, sync
from clue_ner.tracking.description import TAG, text

WARNED = EVALUATION | {"warnings": {"count": 2, "texts": ["test: leaks", "valid: no\nentity"]}}
TABLE = """\
| F1 on test, % | | 95 % interval |
| --- | --- | --- |
| micro | 75.00 | 70.00 – 80.00 |
| lenient | 77.00 | 70.00 – 80.00 |
| official | 76.00 | 70.00 – 80.00 |"""


def described(root: Path) -> str | None:
    """The description of the only run."""
    (run,) = runs(local_client(root))
    found: str | None = run.data.tags.get(TAG)
    return found


def test_description_has_scores_with_intervals_and_warnings(tmp_path: Path) -> None:
    journal = begin(tmp_path, "a")
    record_training(tmp_path, journal.fingerprint, training(), [])
    assert described(tmp_path) == "Valid F1 60.00, in epoch 2 of 2."
    record_evaluation(tmp_path, journal.fingerprint, WARNED, [])
    warnings = "Warnings:\n\n- test: leaks\n- valid: no entity"
    assert described(tmp_path) == f"Valid F1 60.00, in epoch 2 of 2.\n\n{TABLE}\n\n{warnings}"
    record_training(tmp_path, journal.fingerprint, training(), [])  # as by dvc repro --force: evaluate is not run again
    assert TABLE in (described(tmp_path) or "")


@pytest.mark.parametrize(
    ("params", "lines"),
    [
        ({}, "The params of params.yaml of commit c0ffee1."),
        ({"train.lr": ["0.0002", "0.0004"]}, "of commit c0ffee1 in `train.lr` 0.0004 (0.0002)."),
    ],
)
def test_description_says_what_differs(tmp_path: Path, params: dict[str, list[str]], lines: str) -> None:
    journal = begin(tmp_path, "a", {"commit": "c0ffee1234", "params": params})
    record = journal.read()
    assert record is not None
    assert text(record).endswith(lines)


def test_description_of_a_model_that_was_not_scored(tmp_path: Path) -> None:
    journal = begin(tmp_path, "a")
    record_training(tmp_path, journal.fingerprint, training(None), [])
    record_evaluation(tmp_path, journal.fingerprint, {"split": None, "warnings": {"count": 1, "texts": ["x"]}}, [])
    assert described(tmp_path) == "Warnings:\n\n- x"


@pytest.mark.parametrize("edited", ["mine", ""])
def test_description_that_a_person_edited_stays(tmp_path: Path, edited: str) -> None:
    journal = begin(tmp_path, "a")
    record_training(tmp_path, journal.fingerprint, training(), [])
    (run,) = runs(local_client(tmp_path))
    local_client(tmp_path).set_tag(run.info.run_id, TAG, edited)
    record_evaluation(tmp_path, journal.fingerprint, EVALUATION, [])
    sync(tmp_path)
    assert described(tmp_path) == edited


def test_description_of_another_clone_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    first, second = tmp_path / "first", tmp_path / "second"
    fingerprint = write_repository(first, "a")
    begin(first, "a", {"commit": "c0ffee1234", "params": {}})
    record_training(first, fingerprint, training(), [])
    write_repository(second, "a")
    record_evaluation(second, fingerprint, EVALUATION, [])
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert "c0ffee1" in (described(tmp_path) or "")


def test_description_comes_late_to_a_store_that_was_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = begin(tmp_path, "a")
    push(tmp_path, journal.fingerprint)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////dev/null/mlflow.db")
    record_training(tmp_path, journal.fingerprint, training(), [])
    record_evaluation(tmp_path, journal.fingerprint, EVALUATION, [])
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert described(tmp_path) is None
    sync(tmp_path)
    assert TABLE in (described(tmp_path) or "")


def test_description_is_noted_once(tmp_path: Path) -> None:
    journal = begin(tmp_path, "a")
    for _ in range(2):
        record_training(tmp_path, journal.fingerprint, training(), [])
    record = Journal(tmp_path, journal.fingerprint).read()
    assert record is not None
    assert len(record.descriptions) == 1
