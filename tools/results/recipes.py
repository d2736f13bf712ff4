"""Names for sets of params, from docs/results/recipes.yaml; tables show the name instead of the params."""

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from clue_ner.common.errors import ArtifactError
from clue_ner.core.yaml import read_yaml
from tools.results.rows import FOLDER

FILE = FOLDER / "recipes.yaml"


def read_recipes(root: Path, known: Container[str]) -> dict[str, dict[str, Any]]:
    """The params of each recipe, by dotted name; none without the file. ``known``: the names in params.yaml.

    Raises ArtifactError if it is not a mapping of names to known params, ParamsError if it is not YAML.
    """
    path = root / FILE
    if not path.exists():
        return {}
    found = read_yaml(path.read_bytes(), str(path))
    if not isinstance(found, dict):
        raise ArtifactError(f"{path}: wanted names with params below them, found {found!r}")
    for name, params in found.items():
        if not isinstance(params, dict) or not params:
            raise ArtifactError(f"{path}: {name}: wanted params such as train.epochs with values, found {params!r}")
        if unknown := [param for param in params if param not in known]:
            raise ArtifactError(f"{path}: {name}: no param {', '.join(map(str, unknown))} in params.yaml; fix the name")
    return found


def by_recipe(
    params: Mapping[str, Any], changed: Mapping[str, Any], recipes: Mapping[str, Mapping[str, Any]]
) -> tuple[list[str], dict[str, Any]]:
    """The recipes that ``params`` follow, and the rest of ``changed``."""
    names, rest = [], dict(changed)
    for name, recipe in recipes.items():
        if recipe.keys() & rest.keys() and all(params.get(param, ...) == value for param, value in recipe.items()):
            names.append(name)
            rest = {param: value for param, value in rest.items() if param not in recipe}
    return names, rest
