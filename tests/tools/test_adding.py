"""A row has what the files of its training have, and nothing is measured twice."""

import json
from dataclasses import replace

import pytest
import yaml

from clue_ner.common.errors import ArtifactError
from clue_ner.core.entities import fingerprint
from clue_ner.evaluation.scores import micro_f1
from clue_ner.tracking import Journal
from tools.results import adding
from tools.results.adding import add
from tools.results.experiment import open_experiment
from tools.results.rows import read_counts, read_per_type, read_rows


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """No settings of whoever runs the tests."""
    for name in ("CLUE_NER_HOME", "DVC_ROOT", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def journal(trained):
    """The journal of the training, with its device."""
    journal = Journal(trained.path, f"{1:064}")
    params = yaml.safe_load((trained.path / "params.yaml").read_text())
    journal.begin(params, {"clue_ner.device": "cpu, 2 threads"}, "", {})
    return journal


def test_adding_writes_what_metrics_and_predictions_have(trained, journal, root):
    with open_experiment(trained.path) as experiment:
        row = add(root, experiment)
    assert read_rows(root) == [row]
    scores = json.loads((trained.path / "metrics/evaluate.json").read_text())
    assert (row.head, row.align, row.scheme, row.corpus) == ("crf", "characters_over_pieces", "BIO", "cluener")
    assert (row.micro_precision, row.micro_recall) == (scores["micro"]["precision"], scores["micro"]["recall"])
    assert [row.micro_f1, row.micro_low, row.micro_high] == [scores["micro"]["f1"], *scores["micro"]["f1_ci95"]]
    assert [row.lenient_f1, row.lenient_low] == [scores["lenient"]["f1"], scores["lenient"]["f1_ci95"][0]]
    assert [row.official_f1, row.official_high] == [scores["official"]["macro_f1"], scores["official"]["f1_ci95"][1]]
    assert row.valid_f1 == json.loads((trained.path / "metrics/train.json").read_text())["valid_micro_f1"]
    assert row.commit == trained.run("git", "rev-parse", "HEAD").strip() and row.command == "dvc exp run"
    assert (row.parameters, row.device, row.seed) == (22, "cpu, 2 threads", 1)
    assert row.model_bytes == sum(path.stat().st_size for path in (trained.path / "models/tagger").iterdir())
    assert row.train_minutes is row.train_characters_per_second is row.tag_characters_per_second is None
    counts = read_counts(root)[row.row]
    assert counts.tolist() == [[1 + (i % 2 == 0), 1 + (i % 2 == 0), 2] for i in range(20)]
    assert micro_f1(counts) == pytest.approx(row.micro_f1, abs=1e-6)
    found = {line["type"]: line for line in read_per_type(root)}
    assert found.keys() == {"name", "address"} and float(found["name"]["f1"]) == 1
    assert float(found["address"]["recall"]) == scores["micro"]["per_type"]["address"]["recall"] == 0.5
    assert row.test == fingerprint(experiment.gold)
    written = "".join(path.read_text() for path in (root / "docs/results").iterdir())
    assert "crf" in written and not any(sentence.text in written for sentence in experiment.gold)


def test_adding_writes_a_training_once(trained, journal, root):
    with open_experiment(trained.path) as experiment:
        first = add(root, experiment)
        with pytest.raises(ArtifactError, match="already exists"):
            add(root, experiment)
        assert add(root, experiment, replace=True) == first
    with open_experiment(trained.path, "second") as experiment:
        second = add(root, experiment)
    assert (second.seed, second.head, second.command) == (2, "softmax", "dvc exp run -S seed=2 -S train.head=softmax")
    assert read_rows(root) == [first, second] and len(read_counts(root)) == 2


def test_adding_refuses_predictions_that_do_not_give_the_scores(trained, root):
    with open_experiment(trained.path) as experiment:
        other = {**experiment.evaluation, "micro": {**experiment.evaluation["micro"], "f1": 0.9}}
        with pytest.raises(ArtifactError, match=r"data/predictions give micro F1 0\.857143, .* has 0\.9;"):
            add(root, replace(experiment, evaluation=other))
    assert read_rows(root) == []


def test_adding_takes_a_param_that_is_newer_than_the_training_from_here(trained, journal, root, caplog):
    with open_experiment(trained.path) as experiment:
        older = {name: value for name, value in experiment.params.items() if name != "train.warmup"}
        row = add(root, replace(experiment, params=older))
    assert row.params["train.warmup"] == 0.1 and row.params == experiment.params
    assert "did not have these params yet, so these values are used: train.warmup as 0.1" in caplog.text


def test_adding_a_training_without_a_journal_does_not_know_its_device(trained, root, caplog):
    with open_experiment(trained.path) as experiment:
        assert add(root, experiment).device == "unknown"
        assert "device unknown" in caplog.text
        with pytest.raises(ArtifactError, match=r"seconds of 0 epochs of this training, wanted 2; leave --timed out"):
            add(root, experiment, timed="all", replace=True)


def test_adding_with_times_takes_those_of_training_from_the_journal(trained, journal, root, monkeypatch):
    monkeypatch.setattr(adding, "_tagging", lambda experiment: 1234.56)
    journal.metrics(1, {"train/seconds": 30.0, "train/loss": 2.0})
    with open_experiment(trained.path) as experiment:
        with pytest.raises(ArtifactError, match="seconds of 1 epochs"):
            add(root, experiment, timed="all")
        tagged = add(root, experiment, timed="tagging")
        assert (tagged.train_minutes, tagged.tag_characters_per_second) == (None, 1234.6)
        journal.metrics(2, {"train/seconds": 60.0})
        row = add(root, experiment, timed="all", replace=True)
    assert (row.train_minutes, row.train_characters_per_second, row.tag_characters_per_second) == (1.5, 20.0, 1234.6)
