"""dvc.yaml against the code: what a stage depends on is what its script reaches."""

import ast
from pathlib import Path

import pytest
import yaml
from support.places import ROOT

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
PLUGINS = {"download": "corpora", "backbone": "backbones", "fine_tune": "heads", "evaluate": "heads", "export": "heads"}
"""Packages whose modules a stage loads by name: every file of them is reached."""
RECORDS_ONLY = "clue_ner.tracking"
"""Tracking decides nothing, so a change in it reruns nothing."""


def module_path(module: str) -> Path | None:
    path = ROOT / "src" / Path(*module.split("."))
    candidates = (path / "__init__.py", path.with_suffix(".py"))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
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


def closure(stage: str) -> set[Path]:
    """Every module of src/ that the stage's script imports, directly or not, and the packages they are in."""
    waiting = imported(ROOT / "stages" / f"{stage}.py")
    if stage in PLUGINS:
        waiting |= {
            f"clue_ner.{PLUGINS[stage]}.{p.stem}" for p in (ROOT / "src/clue_ner" / PLUGINS[stage]).glob("*.py")
        }
    reached: dict[str, Path] = {}
    while waiting:
        module = waiting.pop()
        path = module_path(module)
        if module in reached or module.startswith(RECORDS_ONLY) or path is None:
            continue
        reached[module] = path
        waiting |= imported(path)
        if "." in module:
            waiting.add(module.rpartition(".")[0])
    return set(reached.values())


def test_dvc_has_a_stage_for_each_script() -> None:
    assert {path.stem for path in (ROOT / "stages").glob("*.py")} == set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_dvc_deps_are_the_import_closure(stage: str) -> None:
    deps = {ROOT / dep for dep in STAGES[stage]["deps"] if dep.startswith("src/")}
    reached = closure(stage)
    missing = {path for path in reached if path not in deps and not deps & set(path.parents)}
    idle = {dep for dep in deps if dep not in reached and not any(dep in path.parents for path in reached)}
    assert not missing, f"{stage} reaches these, and dvc.yaml does not say so"
    assert not idle, f"{stage} does not reach these"
    assert f"stages/{stage}.py" in STAGES[stage]["deps"]


def test_dvc_commits_metrics_and_plots_and_caches_the_rest() -> None:
    for stage in STAGES.values():
        for entry in [*stage.get("metrics", []), *stage.get("plots", [])]:
            ((path, options),) = entry.items()
            assert path.startswith(("metrics/", "plots/"))
            assert options["cache"] is False
        assert all(isinstance(out, str) and out.startswith(("data/", "models/")) for out in stage.get("outs", []))
