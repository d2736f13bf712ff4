"""Rows of results from trainings that were really run, by commands in a clone."""

from pathlib import Path

import pytest
import yaml
from support.clones import Clone, make_clone

from clue_ner.core.entities import fingerprint
from clue_ner.core.files import read_json, read_sentences
from clue_ner.core.params import load_params
from clue_ner.evaluation.scores import micro_f1
from tools.results.rows import read_counts, read_per_type, read_rows


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone in which the pipeline has run once, and its row is there."""
    clone = make_clone(tmp_path_factory.mktemp("clone"))
    clone.run("dvc", "repro")
    clone.run("git", "add", "dvc.lock", "metrics", "plots")
    clone.commit("ran")
    clone.run("clue-ner", "results", "add")
    return clone


@pytest.mark.timeout(900)
def test_results_add_writes_what_the_metrics_and_predictions_say(clone: Clone) -> None:
    (row,) = [row for row in read_rows(clone.path) if row.seed == 1]
    scores, train = (read_json(clone.path / f"metrics/{name}.json") for name in ("evaluate", "train"))
    params = load_params(clone.path / "params.yaml")
    told = (params.train.head, params.tagging.align, params.tagging.scheme, "jsonl")
    assert (row.head, row.align, row.scheme, row.corpus) == told
    assert row.micro_f1 == scores["micro"]["f1"] and [row.micro_low, row.micro_high] == scores["micro"]["f1_ci95"]
    assert row.lenient_f1 == scores["lenient"]["f1"] and row.official_f1 == scores["official"]["macro_f1"]
    assert row.valid_f1 == train["valid_micro_f1"]
    counts = read_counts(clone.path, row.row)
    assert counts.shape == (16, 3) and counts[:, 2].sum() == scores["entities"]
    assert micro_f1(counts) == pytest.approx(row.micro_f1, abs=1e-6)
    assert {line["type"] for line in read_per_type(clone.path)} == {"name", "address"}
    assert row.test == fingerprint(read_sentences(clone.path / "data/corpus/test.jsonl"))
    assert row.device.startswith("cpu") and row.command == "dvc exp run"
    assert row.commit == clone.run("git", "rev-parse", "HEAD").strip()
    assert row.parameters is not None and row.model_bytes > 2 * row.parameters
    assert row.train_minutes is None and row.tag_characters_per_second is None
    texts = [sentence.text for sentence in read_sentences(clone.path / "data/corpus/test.jsonl")]
    written = "".join(path.read_text() for path in (clone.path / "docs/results").rglob("*.csv"))
    assert not any(text in written for text in texts)


def test_results_add_measures_nothing_twice(clone: Clone) -> None:
    before = read_rows(clone.path)
    assert "is there already" in clone.run("clue-ner", "results", "add", ok=False)
    assert read_rows(clone.path) == before
    clone.run("clue-ner", "results", "add", "--replace", "--timed")
    (row,) = [row for row in read_rows(clone.path) if row.row == before[0].row]
    assert len(read_rows(clone.path)) == len(before)
    assert row.train_minutes is not None and row.train_characters_per_second and row.tag_characters_per_second


@pytest.mark.parametrize(
    ("path", "change", "told"),
    [
        ("params.yaml", ("epochs: 2", "epochs: 3"), "train.epochs is 3, and fine_tune ran with 2"),
        ("src/clue_ner/model.py", ('"""', '"""Now: '), "code that is in no commit: src/clue_ner/model.py"),
        ("metrics/evaluate.json", ("0", "1"), "metrics/evaluate.json: not as it was when evaluate ran"),
        ("data/predictions/test.jsonl", ("我", "你"), "data/predictions: not as it was"),
    ],
)
def test_results_add_refuses_what_is_not_of_one_run(
    clone: Clone, path: str, change: tuple[str, str], told: str
) -> None:
    file = clone.path / path
    content, mode = file.read_bytes(), file.stat().st_mode
    file.unlink()  # it may be a link into DVC's cache
    file.write_text(content.decode().replace(*change) + (" " if path.startswith("data") else ""))
    try:
        assert told in clone.run("clue-ner", "results", "add", "--replace", ok=False)
    finally:
        file.write_bytes(content)
        file.chmod(mode)
    clone.run("clue-ner", "results", "add", "--replace")


@pytest.mark.timeout(900)
def test_results_add_takes_an_experiment_and_another_repository(clone: Clone, tmp_path: Path) -> None:
    clone.run("dvc", "exp", "run", "--temp", "--name", "second", "-S", "seed=2", "-S", "train.head=softmax")
    clone.run("clue-ner", "results", "add", "--rev", "second")
    (row,) = [row for row in read_rows(clone.path) if row.seed == 2]
    assert (row.head, row.command) == ("softmax", "dvc exp run -S seed=2 -S train.head=softmax")
    assert row.commit == clone.run("git", "rev-parse", "HEAD").strip() and row.device.startswith("cpu")
    clone.run("clue-ner", "results", "add", "--rev", "second", "--replace", "--timed", "tagging")
    (row,) = [row for row in read_rows(clone.path) if row.seed == 2]
    assert row.tag_characters_per_second and row.train_minutes is None
    assert "--timed tagging" in clone.run("clue-ner", "results", "add", "--rev", "second", "--timed", ok=False)
    assert "neither a commit nor an experiment" in clone.run("clue-ner", "results", "add", "--rev", "third", ok=False)

    cache = clone.path / ".dvc/cache"
    cache.rename(tmp_path / "cache")
    said = clone.run("clue-ner", "results", "add", "--replace", "--rev", "second", ok=False)
    (tmp_path / "cache").rename(cache)
    assert "second: data/predictions/errors.json is not there" in said and "Traceback" not in said

    other = tmp_path / "other"
    clone.run("git", "clone", "--quiet", str(clone.path), str(other))
    params = yaml.safe_load((clone.path / "params.yaml").read_text())
    assert "dvc.lock" in clone.run("git", "ls-files", "dvc.lock")
    told = clone.run("env", f"DVC_ROOT={other}", "clue-ner", "results", "add", "--root", str(clone.path), "--replace")
    (there,) = read_rows(other)
    assert there.seed == params["seed"] and there.row in told
