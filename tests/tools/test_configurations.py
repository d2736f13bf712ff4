"""Rows that differ only in the seed are one configuration, found by its label or name."""

import pytest

from clue_ner.common.errors import ArtifactError, UnknownNameError
from tools.results.configurations import configurations, find
from tools.results.rows import own_params, read_counts, read_rows, row_name


def test_configurations_of_older_code_have_todays_value_of_a_newer_param(root, add_row):
    new = own_params(root)
    row = add_row(0.8, seed=1)
    old = {name: value for name, value in row.params.items() if name != "train.warmup"}
    older = row.model_copy(update={"row": row_name(old), "params": old})
    assert older.row != row.row and older.name_by(new) == row.row
    (configuration,) = configurations([older, row.model_copy(update={"seed": 2, "params": new | {"seed": 2}})], new)
    assert configuration.label == "default" and configuration.seeds == [1, 2]


def test_configurations_that_follow_a_recipe_in_part_are_called_by_their_params(root, add_row):
    new, recipes = own_params(root), {"quick": {"train.epochs": 3, "train.r_drop": 0.0}}
    rows = [add_row(0.8, seed=1, **changes) for changes in ({"train__epochs": 3}, {"train__r_drop": 0.0})]
    assert {c.label for c in configurations(rows, new, recipes)} == {"epochs=3", "r_drop=0.0"}
    same = {"kept": {"train.epochs": new["train.epochs"]}}
    assert {c.label for c in configurations(rows, new, same)} == {"epochs=3", "r_drop=0.0"}


def test_configurations_are_found_by_label_by_name_by_its_beginning_and_by_row(root, add_row):
    rows = [add_row(0.8, seed=seed) for seed in (1, 2)]
    other = add_row(0.7, seed=1, train__head="softmax")
    there = configurations(read_rows(root), own_params(root))
    assert [c.label for c in there] == ["default", "head=softmax"]
    assert find("default", there) == find(rows[0].row.rpartition("-s")[0], there) == there[0]
    assert find("head=softmax", there) == find("softmax-", there) == there[1]
    assert find(rows[1].row, there).seeds == [2] and find(other.row, there).seeds == [1]
    with pytest.raises(UnknownNameError, match="unknown row, configuration or label 'crff'"):
        find("crff", there)
    with pytest.raises(UnknownNameError, match="unknown row, configuration or label ''"):
        find("", there)


def test_configurations_pool_the_counts_of_their_seeds_and_name_one_that_is_missing(root, add_row):
    rows = [add_row(0.8, seed=seed) for seed in (1, 2)]
    (configuration,) = configurations(read_rows(root), own_params(root))
    counts = read_counts(root)
    assert (configuration.pooled(counts) == counts[rows[0].row] + counts[rows[1].row]).all()
    with pytest.raises(ArtifactError, match=rf"counts\.csv: no counts of {rows[1].row}; take them from git"):
        configuration.pooled({rows[0].row: counts[rows[0].row]})
