"""Experiments and their data to another clone: a git remote and a DVC remote, each a folder."""

import json
from pathlib import Path

import pytest
from support.clones import Clone, make_clone

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone with both remotes, in which the pipeline has run once, and a second corpus is committed but has not."""
    folder = tmp_path_factory.mktemp("shared")
    clone = make_clone(folder / "clone", train={"epochs": 1, "r_drop": 0.0}, export={"onnx": False})
    clone.run("git", "init", "--quiet", "--bare", "--initial-branch", "main", str(folder / "remote.git"))
    clone.run("git", "remote", "add", "origin", str(folder / "remote.git"))
    clone.run("dvc", "remote", "add", "--default", "store", str(folder / "store"))
    clone.run("dvc", "repro")
    clone.run("git", "add", "--all")
    clone.commit("ran")
    clone.run("git", "push", "origin", "HEAD:main")
    return clone


def fresh(shared: Clone, path: Path) -> Clone:
    shared.run("git", "clone", "--quiet", str(shared.path.parent / "remote.git"), str(path))
    return Clone(path)


def experiments(clone: Clone, *where: str) -> set[str]:
    said = clone.run("dvc", "exp", "list", "--name-only", *where)
    return set(said.split())


def test_sharing_experiment_goes_to_another_clone_that_trains_nothing(shared: Clone, tmp_path: Path) -> None:
    shared.run("dvc", "exp", "run", "--temp", "--name", "high", "-S", "train.lr=4e-3")
    shared.run("dvc", "exp", "rename", "high", "higher")
    shared.run("dvc", "exp", "push", "origin", "higher")
    shared.run("dvc", "exp", "branch", "higher", "higher-rate")
    shared.run("dvc", "exp", "apply", "higher")
    assert "up to date" in shared.run("dvc", "status")
    shared.run("git", "push", "origin", "higher-rate")
    assert experiments(shared, "origin") == {"higher"}

    other = fresh(shared, tmp_path / "other")
    assert experiments(other) == set()
    other.run("dvc", "exp", "pull", "origin", "higher")
    assert experiments(other) == {"higher"}
    other.run("git", "checkout", "--quiet", "higher-rate")
    other.run("dvc", "pull")
    tagged = other.run("clue-ner", "tag", "corpus/test.jsonl")
    texts = [json.loads(line)["text"] for line in (other.path / "corpus/test.jsonl").read_text().splitlines()]
    assert [json.loads(line)["text"] for line in tagged.splitlines() if line.startswith("{")] == texts
    assert other.stages_run(other.run("dvc", "repro")) == ["sources"]
    assert "up to date" in other.run("dvc", "status")
    assert not (other.path / ".tracking").exists()

    other.run("dvc", "exp", "remove", "higher")
    other.run("dvc", "exp", "remove", "--git-remote", "origin", "higher")
    assert experiments(other) == experiments(shared, "origin") == set()


def test_sharing_second_experiment_of_a_clone_without_data_uses_the_run_cache(shared: Clone, tmp_path: Path) -> None:
    """Its dvc.lock names folders that no cache here has, and the corpus is no longer that of dvc.lock."""
    other = fresh(shared, tmp_path / "other")
    other.run("dvc", "remote", "remove", "store")
    with (other.path / "corpus/train.jsonl").open("a") as train:
        train.write(json.dumps({"text": "程千帆在北京教书。", "entities": []}, ensure_ascii=False) + "\n")
    other.run("git", "add", "--all")
    other.commit("another corpus")
    target = ("-S", "tagging.window=128", "tokenize_align")
    first = other.run("dvc", "exp", "run", "--temp", *target)
    assert {"download", "tag_map", "tokenize_align"} <= set(other.stages_run(first))
    second = other.run("dvc", "exp", "run", "--temp", "-S", "tagging.overlap=32", *target)
    assert "Stage 'download' is cached" in second
    assert other.stages_run(second) == ["sources", "tokenize_align"]
