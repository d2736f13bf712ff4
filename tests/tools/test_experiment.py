"""A training is read only if params, code, metrics and predictions are of one run, which DVC's own files prove."""

import json
from pathlib import Path

import pytest

from clue_ner.common.errors import ArtifactError
from clue_ner.core.entities import Entity
from clue_ner.core.yaml import read_yaml, to_yaml
from clue_ner.evaluation.scores import micro_f1, sentence_counts
from tools.results.experiment import open_experiment


def refused(root: Path, rev: str | None = None) -> str:
    """The error with which a training is refused."""
    with pytest.raises(ArtifactError) as caught, open_experiment(root, rev):
        pass
    return str(caught.value)


def test_experiment_in_the_working_tree_has_what_its_run_wrote(trained, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with open_experiment(trained.path) as experiment:
        assert experiment.files.name == str(trained.path)
        assert experiment.commit == trained.run("git", "rev-parse", "HEAD").strip()
        assert (experiment.params["train.head"], experiment.params["seed"]) == ("crf", 1)
        assert not any(name.startswith(("evaluate", "export", "tracking")) for name in experiment.params)
        assert experiment.command == "dvc exp run"
        assert experiment.train["valid_micro_f1"] == pytest.approx(0.5002)
        scores = json.loads((trained.path / "metrics/evaluate.json").read_text())
        assert experiment.evaluation == scores and len(experiment.gold) == 20
        assert micro_f1(sentence_counts(experiment.gold, experiment.predicted)) == pytest.approx(
            scores["micro"]["f1"], abs=1e-6
        )
        assert experiment.gold[1].entities == (Entity(0, 2, "name"), Entity(3, 5, "address"))
        assert [list(map(str, experiment.predicted[i])) for i in (0, 1)] == [
            [str(Entity(0, 2, "name")), str(Entity(3, 5, "address"))],
            [str(Entity(0, 2, "name"))],
        ]
        assert experiment.parameters() == 22
        files = list((trained.path / "models/tagger").iterdir())
        assert experiment.model_bytes == sum(path.stat().st_size for path in files) and len(files) == 2


@pytest.mark.parametrize("by", ["name", "commit"])
def test_experiment_of_dvc_is_of_the_commit_that_it_started_from(trained, by):
    shown = trained.run("git", "for-each-ref", "--format=%(objectname) %(refname)", "refs/exps/*/*/second")
    with open_experiment(trained.path, "second" if by == "name" else shown.split()[0]) as experiment:
        assert experiment.commit == trained.run("git", "rev-parse", "HEAD").strip()
        assert (experiment.params["train.head"], experiment.params["seed"]) == ("softmax", 2)
        assert experiment.command == "dvc exp run -S seed=2 -S train.head=softmax"
        assert [len(found) for found in experiment.predicted[:4]] == [2, 1, 1, 2]
        assert experiment.files.json("models/tagger/tagger.json")["head"] == "softmax"
        assert experiment.parameters() == 22


def test_experiment_of_a_commit_is_what_was_committed(trained):
    committed = trained.run("git", "rev-parse", "HEAD").strip()
    trained.replace("src/clue_ner/core/code.py", "1", "2")
    trained.run("dvc", "repro", "--quiet")
    trained.commit("another")
    with open_experiment(trained.path, committed[:8]) as experiment:
        assert experiment.commit == committed and experiment.command == "dvc exp run"
    with open_experiment(trained.path, "HEAD") as experiment:
        assert experiment.commit != committed


def test_experiment_whose_name_a_branch_has_too_is_the_experiment(trained):
    trained.run("git", "branch", "second")
    with open_experiment(trained.path, "second") as experiment:
        assert experiment.params["seed"] == 2


def test_experiment_whose_predictions_are_only_in_the_cache_is_read_from_there(trained):
    (trained.path / "data/predictions").rename(trained.path / "away")
    (trained.path / "models/tagger").rename(trained.path / "gone")
    with open_experiment(trained.path) as experiment:
        assert len(experiment.predicted) == 20 and experiment.parameters() == 22


def test_experiment_whose_model_is_nowhere_has_no_number_of_parameters(trained):
    with open_experiment(trained.path) as experiment:
        (trained.path / "models/tagger").rename(trained.path / "gone")
        (trained.path / ".dvc/cache").rename(trained.path / ".dvc/nowhere")
        assert experiment.parameters() is None


@pytest.mark.parametrize(
    ("name", "old", "new", "found"),
    [
        ("params.yaml", "epochs: 4", "epochs: 3", "params.yaml: train.epochs is 3, and fine_tune ran with 4"),
        ("params.yaml", "bootstrap: 100", "bootstrap: 200", "evaluate.bootstrap is 200, and evaluate ran with 100"),
        ("params.yaml", "class_weights: {}", "class_weights: {name: 2.0}", "train.class_weights is {'name': 2.0}, and"),
        ("src/clue_ner/core/code.py", "1", "2", "code that is not committed: src/clue_ner/core/code.py"),
        ("dvc.yaml", "params: [seed, ev", "params: [ev", "code that is not committed: dvc.yaml"),
        ("metrics/train.json", "0", "1", "metrics/train.json: not as it was when fine_tune ran"),
        ("metrics/evaluate.json", "0", "1", "metrics/evaluate.json: not as it was when evaluate ran"),
        ("data/predictions/test.jsonl", "李", "王", "data/predictions: not as it was when evaluate ran"),
        ("models/tagger/tagger.json", "crf", "span", "models/tagger: not as it was when fine_tune ran"),
        ("dvc.lock", "  evaluate:\n", "  scored:\n", "dvc.lock has no stage evaluate: it has not run"),
    ],
)
def test_experiment_is_refused_where_a_file_is_of_another_run(trained, name, old, new, found):
    trained.replace(name, old, new)
    message = refused(trained.path)
    assert found in message and str(trained.path) in message and "dvc repro" in message


@pytest.mark.parametrize(
    ("name", "old", "new", "found"),
    [
        ("params.yaml", "epochs: 4", "epochs: 3", "params.yaml: train.epochs is 3, and fine_tune ran with 4"),
        ("src/clue_ner/core/code.py", "1", "2", "src/clue_ner/core: not as it was when evaluate ran"),
        ("metrics/train.json", "0", "1", "metrics/train.json: not as it was when fine_tune ran"),
        ("dvc.yaml", "python stages/evaluate.py", "python -X dev stages/evaluate.py", "not the command that evaluate"),
        ("dvc.lock", "  evaluate:\n", "  scored:\n", "dvc.lock has no stage evaluate: it has not run"),
    ],
)
def test_experiment_is_refused_where_a_commit_has_a_file_of_another_run(trained, name, old, new, found):
    trained.replace(name, old, new)
    trained.commit("mixed")
    assert found in refused(trained.path, "HEAD")
    assert found in refused(trained.path)


def test_experiment_is_refused_where_a_metric_is_missing(trained):
    (trained.path / "metrics/evaluate.json").unlink()
    assert "metrics/evaluate.json: missing when evaluate ran" in refused(trained.path)


def test_experiment_is_refused_where_code_is_not_added_to_git(trained):
    trained.write("src/clue_ner/core/more.py", "")
    assert "code that is not committed: src/clue_ner/core/more.py" in refused(trained.path)


def test_experiment_is_refused_where_another_model_was_scored(trained):
    lock = read_yaml((trained.path / "dvc.lock").read_bytes(), "dvc.lock")
    (model,) = (dep for dep in lock["stages"]["evaluate"]["deps"] if dep["path"] == "models/tagger")
    model["md5"] = f"{'0' * 32}.dir"
    trained.write("dvc.lock", to_yaml(lock))
    trained.commit("mixed")
    message = refused(trained.path, "HEAD")
    assert "dvc.lock: evaluate has read another models/tagger than fine_tune has read or written" in message


def test_experiment_is_refused_where_its_code_is_not_that_of_its_commit(trained):
    trained.replace("src/clue_ner/core/code.py", "1", "2")
    trained.run("dvc", "exp", "run", "--quiet", "--temp", "--name", "dirty")
    trained.replace("src/clue_ner/core/code.py", "2", "1")
    assert "dirty: code that is not committed: src/clue_ner/core/code.py" in refused(trained.path, "dirty")


def test_experiment_is_refused_where_the_cache_is_away_or_damaged(trained):
    cache = trained.path / ".dvc/cache"
    cache.rename(trained.path / "away")
    message = refused(trained.path, "second")
    assert "second: data/predictions/test.jsonl is missing" in message and "dvc pull" in message
    (trained.path / "away").rename(cache)
    with open_experiment(trained.path, "second") as experiment:
        content = experiment.files.read("data/predictions/test.jsonl")
    (kept,) = (path for path in cache.rglob("*") if path.is_file() and path.read_bytes() == content)
    kept.chmod(0o644)
    kept.write_bytes(content.replace(b"}", b"} ", 1))
    assert "data/predictions/test.jsonl: damaged in DVC's cache" in refused(trained.path, "second")


def test_experiment_that_is_not_there_is_refused_with_what_lists_them(trained):
    message = refused(trained.path, "third")
    assert "'third' is neither a commit nor an experiment" in message and "dvc exp list -A" in message


def test_experiment_wants_a_repository_of_dvc(trained, tmp_path):
    trained.run("git", "rm", "-r", "--quiet", ".dvc", ".dvcignore")
    trained.commit("no DVC")
    (trained.path / ".dvc").rename(tmp_path / "dvc")
    assert "dvc repro" in refused(trained.path)
