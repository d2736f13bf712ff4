"""Which code decides the weights: fine_tune's deps in dvc.yaml, and the checkpoints that are bound to it."""

import ast
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from support.places import ROOT

from clue_ner.common.errors import ArtifactError
from clue_ner.core.params import load_params
from clue_ner.training.checkpoints import Checkpoints
from clue_ner.training.fine_tune import checkpoints_of
from clue_ner.training.fingerprint import code_fingerprint, code_paths
from clue_ner.training.inputs import Inputs, describe

PACKAGE = "src/clue_ner"
DECIDES = [
    "stages/fine_tune.py",
    f"{PACKAGE}/evaluation/scores.py",
    f"{PACKAGE}/core/entities.py",
    f"{PACKAGE}/core/params.py",
    f"{PACKAGE}/core/schemes.py",
    f"{PACKAGE}/alignment/aligner.py",
    f"{PACKAGE}/alignment/batch.py",
    f"{PACKAGE}/network/model.py",
    f"{PACKAGE}/network/heads/crf.py",
    f"{PACKAGE}/runtimes/torch.py",
    f"{PACKAGE}/tagger/tagger.py",
    f"{PACKAGE}/tagger/decoding/span.py",
    *(f"{PACKAGE}/training/{path.name}" for path in (ROOT / PACKAGE / "training").glob("*.py")),
]
DECIDES_NOTHING = [
    "README.md",
    "stages/evaluate.py",
    "stages/python",
    f"{PACKAGE}/__init__.py",
    f"{PACKAGE}/evaluation/plots.py",
    f"{PACKAGE}/evaluation/report.py",
    f"{PACKAGE}/evaluation/curves.py",
    f"{PACKAGE}/exporting/model_card.py",
    f"{PACKAGE}/corpora/cluener.py",
    f"{PACKAGE}/runtimes/onnx.py",
    *(
        path.relative_to(ROOT).as_posix()
        for folder in ("tracking", "common", "cli", "experiments")
        for path in (ROOT / PACKAGE / folder).glob("*.py")
    ),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a fingerprint can be made from."""
    root = tmp_path_factory.mktemp("tree")
    copy_code(root)
    return root


def copy_code(root: Path) -> None:
    for name in ("src", "stages"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("dvc.yaml", "README.md"):
        shutil.copy(ROOT / name, root / name)


@pytest.fixture
def before(tree: Path) -> Iterator[str]:
    """The fingerprint of the tree, which has it again after the test."""
    found = code_fingerprint(tree)
    yield found
    assert code_fingerprint(tree) == found, "the test left the tree otherwise"


class Changed:
    """Within the block, the file has one more line, which is a comment."""

    def __init__(self, path: Path) -> None:
        self.path, self.content = path, path.read_bytes()

    def __enter__(self) -> None:
        self.path.write_bytes(self.content + b"# changed\n")

    def __exit__(self, *_: object) -> None:
        self.path.write_bytes(self.content)


@pytest.mark.parametrize("name", DECIDES)
def test_fingerprint_changes_with_a_file_that_decides_weights(tree: Path, before: str, name: str) -> None:
    with Changed(tree / name):
        assert code_fingerprint(tree) != before


@pytest.mark.parametrize("name", DECIDES_NOTHING)
def test_fingerprint_stays_with_a_file_that_decides_no_weights(tree: Path, before: str, name: str) -> None:
    with Changed(tree / name):
        assert code_fingerprint(tree) == before


def test_fingerprint_changes_with_every_python_file_of_the_deps(tree: Path, before: str) -> None:
    deps = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["fine_tune"]["deps"]
    sources = [tree / dep for dep in deps if dep.startswith(("src/", "stages/"))]
    files = [file for path in sources for file in (path.rglob("*.py") if path.is_dir() else [path])]
    assert len(files) > 40
    seen = {before}
    for path in files:
        with Changed(path):
            seen.add(code_fingerprint(tree))
    assert len(seen) == len(files) + 1


def test_fingerprint_changes_with_a_file_that_is_new_gone_or_has_another_name(tree: Path, before: str) -> None:
    folder = tree / PACKAGE / "training"
    ema, new = folder / "ema.py", folder / "lookahead.py"
    found = [before]
    new.write_text("")
    found.append(code_fingerprint(tree))
    new.unlink()
    content = ema.read_bytes()
    renamed = ema.rename(folder / "emb.py")  # which stands in the same place of the sorted names
    found.append(code_fingerprint(tree))
    renamed.unlink()
    found.append(code_fingerprint(tree))
    ema.write_bytes(content)
    assert len(set(found)) == 4


def test_fingerprint_is_not_of_compiled_files_or_notes(tree: Path, before: str) -> None:
    folder = tree / PACKAGE / "training"
    others = [folder / "__pycache__/ema.cpython-311.pyc", folder / "notes.txt"]
    for path in others:
        path.parent.mkdir(exist_ok=True)
        path.write_text("compiled")
    assert code_fingerprint(tree) == before
    for path in others:
        path.unlink()


def test_fingerprint_is_of_the_place_where_a_tree_is_not(tmp_path: Path, before: str) -> None:
    copy_code(tmp_path / "elsewhere")
    assert code_fingerprint(tmp_path / "elsewhere") == before


# --- one list


def rewrite(tree: Path, change: Callable[[list[str]], list[str]]) -> None:
    """Change fine_tune's deps in the tree's dvc.yaml."""
    written = yaml.safe_load((tree / "dvc.yaml").read_text())
    stage = written["stages"]["fine_tune"]
    stage["deps"] = change(stage["deps"])
    (tree / "dvc.yaml").write_text(yaml.safe_dump(written))


def test_fingerprint_reads_its_list_from_dvc_yaml(tmp_path: Path) -> None:
    copy_code(tmp_path)
    demo, scores = tmp_path / PACKAGE / "demo.py", tmp_path / PACKAGE / "evaluation/scores.py"

    def decides(path: Path) -> bool:
        before = code_fingerprint(tmp_path)
        with Changed(path):
            return code_fingerprint(tmp_path) != before

    assert (decides(demo), decides(scores)) == (False, True)
    order = code_fingerprint(tmp_path)
    rewrite(tmp_path, lambda deps: deps[::-1])
    assert code_fingerprint(tmp_path) == order
    rewrite(tmp_path, lambda deps: [*deps, f"{PACKAGE}/demo.py"])
    assert (decides(demo), decides(scores)) == (True, True)
    rewrite(tmp_path, lambda deps: [dep for dep in deps if not dep.endswith("scores.py")])
    assert (decides(demo), decides(scores)) == (True, False)
    assert f"{PACKAGE}/demo.py" in code_paths(tmp_path)
    assert all(path.startswith(("src/", "stages/")) for path in code_paths(tmp_path))


def test_fingerprint_s_list_is_the_only_one_in_the_package() -> None:
    """No module names a file of the package by its path."""
    paths = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / PACKAGE).rglob("*.py")}
    named = {
        (name, node.value)
        for name, path in paths.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value
        and (node.value.startswith(PACKAGE) or f"{PACKAGE}/{node.value}" in paths)
    }  # fmt: skip
    assert named == set()


@pytest.mark.parametrize("damage", [b"", b"stages: {}", b"stages:\n  fine_tune: 3", b"- a"])
def test_fingerprint_needs_a_clone(tmp_path: Path, damage: bytes) -> None:
    with pytest.raises(ArtifactError, match=r"dvc\.yaml: no such file; train in a clone of the repository"):
        code_fingerprint(tmp_path)
    (tmp_path / "dvc.yaml").write_bytes(damage)
    with pytest.raises(
        ArtifactError,
        match=r"dvc\.yaml: found no stage fine_tune with deps; restore dvc\.yaml from "
        "git",
    ):
        code_fingerprint(tmp_path)


def test_fingerprint_names_a_source_that_is_not_there(tmp_path: Path) -> None:
    copy_code(tmp_path)
    shutil.rmtree(tmp_path / PACKAGE / "network")
    with pytest.raises(
        ArtifactError,
        match=r"src/clue_ner/network: missing, and dvc\.yaml lists it; restore it "
        "from git",
    ):
        code_fingerprint(tmp_path)


# --- checkpoints


@pytest.fixture
def root(fine_tune_inputs: Callable[..., Path]) -> Path:
    """A pipeline's root before fine_tune, whose code is a copy."""
    root = fine_tune_inputs("root")
    for name in ("src", "stages", "dvc.yaml"):
        (root / name).unlink()
    copy_code(root)
    return root


def checkpoints(root: Path) -> Checkpoints:
    params, inputs = load_params(root / "params.yaml"), Inputs.read(root)
    return checkpoints_of(root, inputs, describe(inputs, params), "cpu")


@pytest.mark.parametrize("name", ["evaluation/scores.py", "core/entities.py", "training/optimizer.py"])
def test_checkpoints_made_by_other_code_are_not_used(root: Path, name: str) -> None:
    old = checkpoints(root)
    old.write(1, lambda folder: (folder / "model.safetensors").touch())
    assert checkpoints(root).newest() == old.folder / "step-00000001"
    with Changed(root / PACKAGE / name):
        new = checkpoints(root)
        assert new.folder != old.folder
        assert new.newest() is None
        with new.held():
            assert not old.folder.exists(), "no training can resume from it"


def test_checkpoints_stay_in_use_after_a_change_that_decides_no_weights(root: Path) -> None:
    old = checkpoints(root)
    old.write(1, lambda folder: (folder / "model.safetensors").touch())
    for name in ("evaluation/plots.py", "tracking/replay.py", "common/files.py", "cli/main.py"):
        with Changed(root / PACKAGE / name):
            assert checkpoints(root).newest() == old.folder / "step-00000001"
