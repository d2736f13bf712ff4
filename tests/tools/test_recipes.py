"""Names for params that rows change together."""

import pytest

from clue_ner.common.errors import ArtifactError
from tools.results.recipes import FILE, by_recipe, read_recipes
from tools.results.rows import own_params


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[quick]", "wanted names with params below them"),
        ("quick: 3", r"quick: wanted params such as train\.epochs"),
        ("quick: {train.epoch: 3}", r"quick: no param train\.epoch in params\.yaml"),
    ],
)
def test_recipes_refuse_what_is_no_recipe(root, text, found):
    (root / "docs/results").mkdir()
    (root / FILE).write_text(text)
    with pytest.raises(ArtifactError, match=found):
        read_recipes(root, own_params(root))


def test_recipes_are_read_from_their_file_and_none_are_without_it(root):
    assert read_recipes(root, own_params(root)) == {}
    (root / "docs/results").mkdir()
    (root / FILE).write_text("quick: {train.epochs: 3, train.lr: 4e-05}\n")
    assert read_recipes(root, own_params(root)) == {"quick": {"train.epochs": 3, "train.lr": 4e-5}}


def test_recipes_take_the_place_of_the_params_that_follow_them():
    recipes = {"quick": {"train.epochs": 3, "train.r_drop": 0.0}}
    params = {"train.epochs": 3, "train.r_drop": 0.0, "train.head": "crf", "train.lr": 1.0}
    changed = {"train.epochs": 3, "train.head": "crf"}
    assert by_recipe(params, changed, recipes) == (["quick"], {"train.head": "crf"})
    assert by_recipe({**params, "train.r_drop": 1.0}, changed, recipes) == ([], changed)
