"""The run of a sweep: shared params, the score of each trial, and whose parent it is."""

import json

import pytest

from clue_ner.experiments import sweep_recorder
from clue_ner.experiments.sweep_recorder import Recorder
from clue_ner.experiments.sweep_space import Range, Sweep
from clue_ner.tracking import Journal

SWEEP = Sweep(name="small", trials=3, seed=0, space={"train.lr": Range(low=1e-4, high=1e-2)})
BASE = {
    "seed": 1,
    "train": {"head": "crf", "lr": 2e-4, "epochs": 3},
    "tracking": {"experiment": "clue-ner", "model": "clue-ner"},
}


@pytest.fixture
def pushed(monkeypatch):
    """The fingerprints that were to be sent to MLflow, which does not get them."""
    for name in ("CLUE_NER_HOME", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    fingerprints = []
    monkeypatch.setattr(sweep_recorder, "push", lambda root, fingerprint, **again: fingerprints.append(fingerprint))
    return fingerprints


@pytest.fixture
def experiments(monkeypatch):
    """The model's file of each experiment, by name."""
    files = {}

    def read(root, name, path):
        assert path == "models/tagger/tagger.json"
        return files[name]

    monkeypatch.setattr(sweep_recorder, "read_file", read)
    return files


def test_sweep_recorder_notes_scores_and_children_and_sends_them_after_each_trial(tmp_path, pushed, experiments):
    experiments["small-0"] = json.dumps({"format": 1, "trained": {"fingerprint": "a" * 64}}).encode()
    experiments["small-1"] = json.dumps({"format": 2, "trained": {"fingerprint": "b" * 64}}).encode()
    with Recorder(tmp_path, SWEEP, BASE, "name: small\n", "f" * 64) as recorder:
        recorder.trial(0, 0.5, 0.5, "small-0")
        recorder.trial(1, 0.4, 0.5, "small-1")
        assert pushed == ["f" * 64] * 3
    record = Journal(tmp_path, "f" * 64).read()
    assert record.status == "FINISHED" and len(pushed) == 4
    assert record.begin["name"] == "sweep small"
    assert record.begin["params"] == {"seed": "1", "train.head": "crf", "train.epochs": "3"}
    assert record.children == ["a" * 64, "b" * 64]
    assert {key: value for key, (value, _) in record.points.items()} == {
        ("sweep/valid_micro_f1", 0): 0.5,
        ("sweep/best_valid_micro_f1", 0): 0.5,
        ("sweep/valid_micro_f1", 1): 0.4,
        ("sweep/best_valid_micro_f1", 1): 0.5,
    }
    assert BASE["train"]["lr"] == 2e-4


def test_sweep_recorder_notes_a_trial_whose_model_cannot_be_read(tmp_path, pushed, experiments, caplog):
    experiments["small-0"] = b"{}"
    with pytest.raises(RuntimeError), Recorder(tmp_path, SWEEP, BASE, "", "f" * 64) as recorder:
        recorder.trial(0, 0.5, 0.5, "small-0")
        raise RuntimeError
    record = Journal(tmp_path, "f" * 64).read()
    assert record.children == [] and record.points["sweep/valid_micro_f1", 0][0] == 0.5
    assert record.status is None  # the sweep was stopped
    assert "trial 0: its run is not shown below the sweep's" in caplog.text
