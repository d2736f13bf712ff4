"""Recipes: what DVC makes of each line is what the recipe says, and params.yaml could have it."""

import shlex
import shutil
from pathlib import Path

import pytest
from dvc.utils.cli_parse import to_path_overrides
from dvc.utils.hydra import apply_overrides
from support.commands import run
from support.places import ROOT

from clue_ner.core.params import dotted, load_params
from clue_ner.experiments.recipes import RECIPES
from tools.results.recipes import read_recipes


@pytest.mark.parametrize("name", RECIPES)
def test_recipe_line_is_taken_by_dvc_and_makes_params_that_are_right(name: str, tmp_path: Path) -> None:
    result = run("recipe", name)
    assert (result.exit_code, result.stderr) == (0, "")
    words = shlex.split(result.stdout)
    assert words[:3] == ["dvc", "exp", "run"] and set(words[3::2]) <= {"-S"}
    path = tmp_path / "params.yaml"
    shutil.copy(ROOT / "params.yaml", path)
    apply_overrides(path, to_path_overrides(words[4::2]).get("params.yaml", []))
    before, after = (dotted(load_params(file).model_dump()) for file in (ROOT / "params.yaml", path))
    changed = {key: value for key, value in after.items() if value != before[key]}
    assert changed == {key: value for key, value in RECIPES[name].params.items() if value != before[key]}
    assert bool(changed) == (name != "committed")


def test_recipe_without_a_name_lists_all_with_their_lines() -> None:
    lines = run("recipe").stdout.splitlines()
    assert [line.split()[0] for line in lines[::2]] == list(RECIPES)
    assert [line.strip() for line in lines[1::2]] == [each.line for each in RECIPES.values()]


def test_recipe_of_another_name_is_refused_with_those_there_are() -> None:
    result = run("recipe", "fast")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: unknown recipe 'fast': there are bert-on-gpu, committed, crf")


def test_recipe_quick_is_that_of_the_results() -> None:
    known = dotted(load_params(ROOT / "params.yaml").model_dump())
    assert read_recipes(ROOT, known)["quick"] == RECIPES["quick"].params
