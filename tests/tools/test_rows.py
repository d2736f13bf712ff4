"""docs/results/ as files: what is written is read again, and what already exists is not written twice."""

import numpy as np
import pytest
from support.places import ROOT

from clue_ner.common.errors import ArtifactError
from clue_ner.evaluation.scores import micro_f1
from tools.results.rows import FOLDER, own_params, read_counts, read_per_type, read_rows, row_name, write_row


def test_rows_come_back_as_they_were(root, add_row):
    rows = [add_row(0.8, seed=2), add_row(0.8, seed=10, train__lr=3e-4, train__class_weights={"name": 2.0})]
    assert {row.row: row for row in read_rows(root)} == {row.row: row for row in rows}
    assert [line["row"] for line in read_per_type(root)] == sorted(row.row for row in rows)


def test_rows_that_are_damaged_are_named(root, add_row):
    add_row(0.8, seed=2)
    path = root / FOLDER / "rows.csv"
    path.write_text(path.read_text().replace("0.8", "much"))
    with pytest.raises(ArtifactError, match=r"rows\.csv:2: not a row"):
        read_rows(root)


def test_rows_of_one_configuration_and_seed_are_one(root, add_row):
    add_row(0.8, seed=1, train__lr=1)
    with pytest.raises(ArtifactError, match="already exists"):
        add_row(0.7, seed=1, train__lr=1.0)
    assert [row.valid_f1 for row in read_rows(root)] == [0.8]
    add_row(0.7, seed=1, train__lr=1.0, replace=True)
    (row,) = read_rows(root)
    assert row.valid_f1 == 0.7 and micro_f1(read_counts(root)[row.row]) == pytest.approx(row.micro_f1)


def test_rows_that_replace_one_of_an_older_name_leave_nothing_of_it(root, add_row):
    row, other = add_row(0.8, seed=1), add_row(0.6, seed=2)
    params = {name: value for name, value in row.params.items() if name != "train.warmup"}
    older = row.model_copy(update={"row": row_name(params), "params": params})
    for name in ("rows.csv", "per_type.csv", "counts.csv"):
        path = root / FOLDER / name
        path.write_text(path.read_text().replace(row.row, older.row).replace('""train.warmup"": 0.1, ', ""))
    assert {row.row for row in read_rows(root)} == {older.row, other.row} and older.row != row.row
    assert older.name_by(own_params(root)) == row.row
    add_row(0.7, seed=1, replace=True)
    names = {row.row, other.row}
    assert {row.row for row in read_rows(root)} == {line["row"] for line in read_per_type(root)} == names
    assert read_counts(root).keys() == names


def test_rows_are_named_by_their_params_whatever_kind_of_number_these_are():
    params = {"seed": 1, "train.head": "crf", "tagging.align": "pieces", "train.epochs": 3}
    assert row_name(params) == row_name({**params, "train.epochs": 3.0}) == "crf-pieces-f7bdc3-s1"
    assert row_name({**params, "seed": 2}) == "crf-pieces-f7bdc3-s2"
    assert row_name({**params, "train.epochs": 4})[:17] != "crf-pieces-f7bdc3"


@pytest.mark.parametrize("sentences", [1, 7, 150_000])
def test_rows_have_counts_of_any_size(root, add_row, sentences):
    row = add_row(0.8, seed=1)
    counts = np.random.default_rng(0).geometric(0.2, (sentences, 3)) - 1
    counts[0] = 10, 9, 123
    write_row(root, row, {}, counts, replace=True)
    found = read_counts(root)[row.row]
    assert found.dtype == np.int64 and np.array_equal(found, counts)
    assert (root / FOLDER / "counts.csv").read_text().split("\n")[1].startswith(f"{row.row},(10)")


def test_rows_are_the_same_bytes_in_whatever_order_they_were_added(root, add_row):
    def content():
        return {path.name: path.read_bytes() for path in (root / FOLDER).iterdir()}

    add_row(0.8, seed=1), add_row(0.7, seed=2), add_row(0.6, seed=1, train__head="softmax")
    before = content()
    for name in before:
        (root / FOLDER / name).unlink()
    add_row(0.6, seed=1, train__head="softmax"), add_row(0.7, seed=2), add_row(0.8, seed=1)
    assert content() == before and before.keys() == {"rows.csv", "per_type.csv", "counts.csv"}


@pytest.mark.parametrize("damage", ["", "1x2", "12(", "1,2", "12 1", "(1", "1()"])
def test_rows_whose_counts_are_damaged_are_named(root, add_row, damage):
    row = add_row(0.8, seed=1)
    (root / FOLDER / "counts.csv").write_text(f"row,correct,predicted,gold\n{row.row},12,22,{damage}\n")
    with pytest.raises(ArtifactError, match=r"counts\.csv:2: not the counts of a row"):
        read_counts(root)


def test_rows_of_the_repository_have_the_counts_that_their_f1_is_made_from():
    rows, counts = read_rows(ROOT), read_counts(ROOT)
    assert {row.row for row in rows} == counts.keys() == {line["row"] for line in read_per_type(ROOT)}
    for row in rows:
        assert micro_f1(counts[row.row]) == pytest.approx(row.micro_f1, abs=1e-6)
        of_row = [line for line in read_per_type(ROOT) if line["row"] == row.row]
        assert sum(int(line["entities"]) for line in of_row) == counts[row.row][:, 2].sum()
