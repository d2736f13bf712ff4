"""dvc.yaml against the code: what a stage depends on is what its script reaches, and little else."""

import ast
import functools
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.places import ROOT

SOURCE = ROOT / "src"
STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]

NOT_DEPENDED_ON = {
    ("every stage", "clue_ner"): "the names that users import; a stage imports from the modules themselves",
    ("every stage", "clue_ner.common"): "errors, retries, how files are written: no value that a stage computes",
    ("every stage", "clue_ner.tracking"): "a record of what was computed; it decides nothing",
    ("fine_tune", "clue_ner.evaluation.curves"): "a plot of the epochs, which cannot change the weights",
}
"""What a stage's script imports and dvc.yaml leaves out, and why; a name stands for all that is below it, too."""

UNREACHED_IN_FINE_TUNE: dict[str, str] = {}
"""Files in fine_tune's source folders that it does not import, and why they lie there all the same."""

LOADED_BY_NAME = {
    "clue_ner.corpora": "clue_ner.corpora",
    "clue_ner.layouts": "clue_ner.layouts._recognise",
    "clue_ner.backbones": "clue_ner.backbones",
    "clue_ner.network.heads": "clue_ner.network.heads",
    "clue_ner.tagger.decoding": "clue_ner.tagger.decoding",
    "clue_ner.runtimes": "clue_ner.tagger.tagger",
}
"""Packages whose modules are found by their names, and the module that loads them: whoever imports it, reaches all."""

LOADED_ONLY = {("fine_tune", "clue_ner.runtimes"): {"torch"}}
"""Where a stage itself names which of them."""


def test_dvc_yaml_has_a_stage_for_each_script() -> None:
    assert {path.stem for path in (ROOT / "stages").glob("*.py")} == set(STAGES)
    for name, stage in STAGES.items():
        assert stage["cmd"] == f"sh stages/python stages/{name}.py"
        assert stage["deps"][0] == f"stages/{name}.py"


@pytest.mark.parametrize("stage", STAGES)
def test_dvc_yaml_deps_cover_the_import_closure(stage: str) -> None:
    reached = {module: path for module, path in closure(stage).items() if not is_exempt(stage, module)}
    missing = [module for module, path in reached.items() if not is_covered(stage, path)]
    assert not missing, f"{stage} imports these, and neither dvc.yaml nor the table of exceptions has them"


@pytest.mark.parametrize("stage", STAGES)
def test_dvc_yaml_deps_are_all_in_use(stage: str) -> None:
    reached = set(closure(stage).values())
    idle = [dep for dep in source_deps(stage) if not reached & set(python_files(dep))]
    assert not idle, f"{stage} imports nothing of these"


@pytest.mark.parametrize("stage", STAGES)
def test_dvc_yaml_deps_are_there_and_none_lies_in_another(stage: str) -> None:
    deps = [Path(dep) for dep in STAGES[stage]["deps"]]
    assert len(set(deps)) == len(deps)
    assert not [dep for dep in deps if dep.parts[0] in ("src", "stages") and not (ROOT / dep).exists()]
    assert not [(dep, other) for dep in deps for other in deps if other in dep.parents]


def test_dvc_yaml_names_folders() -> None:
    paths = [dep for stage in STAGES.values() for dep in stage["deps"] if dep.startswith("src/")]
    assert 25 <= len(paths) <= 35


@pytest.mark.parametrize(("stage", "module"), NOT_DEPENDED_ON)
def test_dvc_yaml_exceptions_are_needed(stage: str, module: str) -> None:
    stages = list(STAGES) if stage == "every stage" else [stage]
    path = file_of(module)
    assert path is not None
    assert not [name for name in stages if has_dep(name, path)]
    assert any(is_below(reached, module) for name in stages for reached in closure(name))


def test_dvc_yaml_folders_of_fine_tune_hold_nothing_else() -> None:
    inside = {path for dep in source_deps("fine_tune") for path in python_files(dep)}
    unreached = {path.relative_to(SOURCE).as_posix() for path in inside - set(closure("fine_tune").values())}
    assert unreached == set(UNREACHED_IN_FINE_TUNE)
    assert len(inside) > 40


def test_dvc_yaml_packages_loaded_by_name_are_all_known() -> None:
    """Every ``plugins.load`` of the package is in the table."""
    found = {}
    for path in sorted((SOURCE / "clue_ner").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "plugins.load":
                module = importlib.import_module(name_of(path))
                found[eval(ast.unparse(node.args[0]), vars(module))] = name_of(path)
    assert found == LOADED_BY_NAME


# --- data


def test_dvc_yaml_data_is_made_by_a_stage_before() -> None:
    made: set[Path] = set()
    for name, stage in STAGES.items():
        for dep in map(Path, stage["deps"]):
            assert dep.parts[0] in ("src", "stages") or made & {dep, *dep.parents}, (name, dep)
        made |= {Path(out) for out in outs(stage)}


def test_dvc_yaml_deps_on_data_are_whole_outs() -> None:
    """DVC looks a file inside a folder up in the folder's old version, if the new one came from the run cache."""
    made = {out for stage in STAGES.values() for out in outs(stage)}
    for name, stage in STAGES.items():
        inside = {dep for dep in stage["deps"] if not dep.startswith(("src", "stages", "data/sources/"))} - made
        assert not inside, name


def test_dvc_yaml_test_split_is_no_part_of_a_training() -> None:
    """A corrected test label must not train anew: neither fine_tune nor a stage before it depends on data/test."""
    makers = {out: name for name, stage in STAGES.items() for out in outs(stage)}
    before, waiting = set(), {"fine_tune"}
    while waiting:
        name = waiting.pop()
        before.add(name)
        for dep in STAGES[name]["deps"]:
            assert not dep.startswith("data/test"), name
            waiting |= {maker for out, maker in makers.items() if dep.startswith(out)} - before
    assert before == {"sources", "download", "backbone", "tag_map", "tokenize_align", "fine_tune"}
    assert "data/test" in STAGES["evaluate"]["deps"]


def test_dvc_yaml_commits_metrics_and_plots_and_caches_the_rest() -> None:
    for stage in STAGES.values():
        for entry in [*stage.get("metrics", []), *stage.get("plots", [])]:
            ((path, options),) = entry.items()
            assert path.startswith(("metrics/", "plots/"))
            assert options["cache"] is False
        for out in stage.get("outs", []):  # links to folders are not for the cache
            assert out == {"data/sources": {"cache": False}} or out.startswith(("data/", "models/"))


def outs(stage: dict[str, Any]) -> list[str]:
    made = [*stage.get("metrics", []), *stage.get("plots", [])]
    plain = [path for out in stage.get("outs", []) for path in ([out] if isinstance(out, str) else out)]
    return [*plain, *(path for entry in made for path in entry)]


# --- imports


@functools.cache
def closure(stage: str) -> dict[str, Path]:
    """Every module of the package that the stage's script imports, directly or not, and its file.

    What is imported by a module that is exempt does not count.
    """
    waiting = {*imported(ROOT / "stages" / f"{stage}.py"), "clue_ner"}
    reached: dict[str, Path] = {}
    while waiting:
        module = waiting.pop()
        path = file_of(module)
        if module in reached or path is None:
            continue
        reached[module] = path
        if "." in module:
            waiting.add(module.rpartition(".")[0])
        if is_exempt(stage, module):
            continue
        waiting |= imported(path)
        for package, loader in LOADED_BY_NAME.items():
            if module == loader:
                names = LOADED_ONLY.get((stage, package), {file.stem for file in folder_of(package).glob("*.py")})
                waiting |= {f"{package}.{name}" for name in names}
    return reached


def imported(path: Path) -> set[str]:
    """The package's modules that a file imports when it runs, at whatever place in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    modules: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {module for module in modules if module.partition(".")[0] == "clue_ner"}


def is_exempt(stage: str, module: str) -> bool:
    return any(
        where in (stage, "every stage") and (module == name or (name != "clue_ner" and is_below(module, name)))
        for where, name in NOT_DEPENDED_ON
    )


def is_covered(stage: str, path: Path) -> bool:
    """Whether a dep is the file or a folder above it; a package's file of nothing but a docstring needs none."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    says_nothing = path.name == "__init__.py" and len(body) == 1 and isinstance(body[0], ast.Expr)
    return says_nothing or has_dep(stage, path)


def has_dep(stage: str, path: Path) -> bool:
    return bool(source_deps(stage) & {path, *path.parents})


def is_below(module: str, name: str) -> bool:
    return module == name or module.startswith(f"{name}.")


def source_deps(stage: str) -> set[Path]:
    return {ROOT / dep for dep in STAGES[stage]["deps"] if dep.startswith("src/")}


def python_files(path: Path) -> Iterator[Path]:
    return path.rglob("*.py") if path.is_dir() else iter([path])


def folder_of(module: str) -> Path:
    return SOURCE.joinpath(*module.split("."))


def file_of(module: str) -> Path | None:
    path = folder_of(module)
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
