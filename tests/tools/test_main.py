"""``python -m tools.results``: its commands, and a row of a training that was really run."""

import pytest
import yaml
from click.testing import CliRunner
from support.clones import make_clone

from clue_ner.common.files import read_json
from clue_ner.core.entities import fingerprint
from clue_ner.core.params import load_params
from clue_ner.core.sentences import read_sentences
from clue_ner.evaluation.scores import micro_f1
from tools.results.__main__ import results
from tools.results.rows import read_counts, read_per_type, read_rows


def test_main_compares_by_label(root, add_row):
    add_row(0.7, seed=1)
    add_row(0.8, seed=1, train__head="softmax")
    answer = CliRunner().invoke(results, ["compare", "head=softmax"])
    assert answer.exit_code == 0, answer.output
    assert "valid micro F1, A - B: +10.00 points" in answer.output and "95 % interval +" in answer.output


def test_main_ends_with_an_error_of_one_line_and_status_1(root, add_row):
    add_row(0.7, seed=1)
    add_row(0.8, seed=1, corpus__name="sample", test="s" * 64)
    answer = CliRunner().invoke(results, ["compare", "corpus.name=sample"])
    assert answer.exit_code == 1
    assert answer.stderr.startswith("error: ") and "different test splits" in answer.stderr


def test_main_writes_the_table(root, add_row):
    add_row(0.7, seed=1)
    answer = CliRunner().invoke(results, ["table"])
    assert answer.output == "docs/results.md, docs/results/f1.png: 1 rows of 1 configurations\n"
    assert (root / "docs/results/f1.png").exists() and "No row yet" not in (root / "docs/results.md").read_text()


def test_main_adds_a_training_of_another_repository(root, trained):
    answer = CliRunner().invoke(results, ["add", "--root", str(trained.path), "--rev", "second"])
    assert answer.exit_code == 0, answer.output
    (row,) = read_rows(root)
    assert answer.stdout == f"{row.row}: micro F1 {100 * row.micro_f1:.2f}, {row.command}\n" and row.seed == 2
    again = CliRunner().invoke(results, ["add", "--root", str(trained.path), "--rev", "second"])
    assert again.exit_code == 1 and "already exists" in again.stderr


def test_main_has_no_time_of_training_for_an_experiment(root, trained):
    answer = CliRunner().invoke(results, ["add", "--root", str(trained.path), "--rev", "second", "--timed"])
    assert answer.exit_code == 2 and "--timed tagging" in answer.stderr and read_rows(root) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_main_adds_trainings_that_were_really_run(tmp_path):
    clone = make_clone(tmp_path / "clone")
    add = ("python", "-m", "tools.results", "add")
    clone.run("dvc", "repro")
    clone.run("git", "add", "dvc.lock", "metrics", "plots")
    clone.commit("ran")
    clone.run(*add)
    (row,) = read_rows(clone.path)
    scores, train = (read_json(clone.path / f"metrics/{name}.json") for name in ("evaluate", "train"))
    params = load_params(clone.path / "params.yaml")
    named = (params.train.head, params.tagging.align, params.tagging.scheme, "jsonl")
    assert (row.head, row.align, row.scheme, row.corpus) == named
    assert row.micro_f1 == scores["micro"]["f1"] and [row.micro_low, row.micro_high] == scores["micro"]["f1_ci95"]
    assert row.lenient_f1 == scores["lenient"]["f1"] and row.official_f1 == scores["official"]["macro_f1"]
    assert row.valid_f1 == train["valid_micro_f1"]
    counts = read_counts(clone.path)[row.row]
    assert counts.shape == (16, 3) and counts[:, 2].sum() == scores["entities"]
    assert micro_f1(counts) == pytest.approx(row.micro_f1, abs=1e-6)
    assert {line["type"] for line in read_per_type(clone.path)} == {"name", "address"}
    gold = read_sentences(clone.path / "data/test/test.jsonl")
    assert row.test == fingerprint(gold)
    assert row.device.startswith("cpu") and row.command == "dvc exp run"
    assert row.commit == clone.run("git", "rev-parse", "HEAD").strip()
    assert row.parameters is not None and row.model_bytes > 2 * row.parameters
    assert row.train_minutes is None and row.tag_characters_per_second is None
    written = "".join(path.read_text() for path in (clone.path / "docs/results").rglob("*.csv"))
    assert not any(sentence.text in written for sentence in gold)

    assert "already exists" in clone.run(*add, ok=False)
    assert read_rows(clone.path) == [row]
    clone.run(*add, "--replace", "--timed")
    (timed,) = read_rows(clone.path)
    assert timed.row == row.row and timed.train_minutes is not None
    assert timed.train_characters_per_second and timed.tag_characters_per_second

    clone.run("dvc", "exp", "run", "--temp", "--name", "second", "-S", "seed=2", "-S", "train.head=softmax")
    clone.run(*add, "--rev", "second", "--timed", "tagging")
    (second,) = (row for row in read_rows(clone.path) if row.seed == 2)
    assert (second.head, second.command) == ("softmax", "dvc exp run -S seed=2 -S train.head=softmax")
    assert second.commit == row.commit and second.device.startswith("cpu")
    assert second.tag_characters_per_second and second.train_minutes is None

    other = tmp_path / "other"
    clone.run("git", "clone", "--quiet", str(clone.path), str(other))
    assert "dvc.lock" in clone.run("git", "ls-files", "dvc.lock")
    output = clone.run("env", f"DVC_ROOT={other}", *add, "--root", str(clone.path))
    (there,) = read_rows(other)
    assert there.seed == yaml.safe_load((clone.path / "params.yaml").read_text())["seed"] and there.row in output
