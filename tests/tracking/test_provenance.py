"""The commit of a run is that of its own repository, or none with a line of why."""

import os
import subprocess
from pathlib import Path

import pytest
from support.configs import TRAINED
from support.tracking_repository import PARAMS, own_store  # noqa: F401

from clue_ner.core.yaml import to_yaml
from clue_ner.tagger.config import TaggerRecord
from clue_ner.tracking.provenance import changed, commit_tags, recipe, run_name, run_tags, tagger_tags

DVC_YAML = "stages:\n  fine_tune:\n    deps: [src/code.py]\n"
UNKNOWN = {"mlflow.source.git.commit": "unknown", "clue_ner.dirty": "unknown"}


@pytest.fixture(autouse=True)
def git_of_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git with a user, without the settings of whoever runs the tests."""
    for name, value in {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
        "GIT_CEILING_DIRECTORIES": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def write_code(root: Path) -> Path:
    (root / "src").mkdir(parents=True)
    (root / "src" / "code.py").write_text("1\n")
    (root / "dvc.yaml").write_text(DVC_YAML)
    (root / "requirements.lock").write_text("")
    return root


def committed(root: Path) -> str:
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "start")
    return git(root, "rev-parse", "HEAD")


def test_provenance_names_the_commit_and_whether_the_code_differs(tmp_path: Path) -> None:
    commit = committed(write_code(tmp_path / "repo"))
    (tmp_path / "repo" / "notes.txt").write_text("mine")
    assert commit_tags(tmp_path / "repo") == {"mlflow.source.git.commit": commit, "clue_ner.dirty": "false"}
    (tmp_path / "repo" / "src" / "code.py").write_text("2\n")
    assert commit_tags(tmp_path / "repo") == {"mlflow.source.git.commit": commit, "clue_ner.dirty": "true"}


def test_provenance_of_a_linked_or_shallow_clone_is_its_own(tmp_path: Path) -> None:
    commit = committed(write_code(tmp_path / "repo"))
    git(tmp_path / "repo", "worktree", "add", "--quiet", str(tmp_path / "tree"))
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{tmp_path / 'repo'}", "shallow")
    (tmp_path / "link").symlink_to("repo")
    for name in ("tree", "shallow", "link"):
        assert commit_tags(tmp_path / name)["mlflow.source.git.commit"] == commit


def test_provenance_of_the_demo_is_that_of_the_repository_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_code(tmp_path / "repo")
    (root / ".gitignore").write_text("/demo/\n")
    commit = committed(root)
    write_code(root / "demo")
    monkeypatch.setenv("CLUE_NER_HOME", str(root))
    assert commit_tags(root / "demo") == {"mlflow.source.git.commit": commit, "clue_ner.dirty": "false"}
    (root / "src" / "code.py").write_text("2\n")
    assert commit_tags(root / "demo")["clue_ner.dirty"] == "true"


def test_provenance_never_takes_the_commit_of_a_repository_around(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer" / "readme").write_text("")
    committed(tmp_path / "outer")
    root = write_code(tmp_path / "outer" / "vendored")
    assert commit_tags(root) == UNKNOWN
    assert f"in the git repository of {tmp_path / 'outer'}, and none of its own; an archive becomes" in caplog.text
    (root / ".git").mkdir()  # one that is damaged
    assert commit_tags(root) == UNKNOWN


def test_provenance_without_git_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_code(tmp_path / "archive")
    assert commit_tags(root) == UNKNOWN
    git(root, "init", "--quiet")
    assert commit_tags(root) == UNKNOWN
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_tags(root) == UNKNOWN
    archive, empty, nothing = caplog.messages
    assert "not a git repository" in archive
    assert "does not have any commits yet" in empty
    assert "git: no such program; install it" in nothing
    assert all("\n" not in message and message.startswith("no commit is recorded") for message in caplog.messages)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_provenance_of_somebody_else_s_repository_says_what_git_says(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_code(tmp_path / "theirs")
    committed(root)
    for path in (root, root / ".git"):
        os.chown(path, 12345, 12345)
    assert commit_tags(root) == UNKNOWN
    (message,) = caplog.messages
    assert "detected dubious ownership" in message
    assert f"git config --global --add safe.directory {root}" in message


def with_train(**values: object) -> dict[str, object]:
    return {**PARAMS, "train": {**PARAMS["train"], **values}}


def test_provenance_names_what_params_differ_from_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_code(tmp_path / "repo")
    (root / "params.yaml").write_text(to_yaml(with_train(lr=1e-4, epochs=4)))
    first = committed(root)
    assert changed(root, with_train(lr=1e-4, epochs=4)) == {"commit": first, "params": {}}
    differ = {"train.lr": ["0.0001", "0.0002"], "seed": ["0", "7"]}
    here = {**with_train(lr=2e-4, epochs=4, layers=None), "seed": 7, "tracking": {"experiment": "other"}}
    assert changed(root, here) == {"commit": first, "params": differ}  # a param that the commit had not is none
    (root / "params.yaml").write_text(to_yaml(with_train(lr=2e-4, epochs=4)))
    assert changed(root, with_train(lr=2e-4, epochs=4)) == {
        "commit": first,
        "params": {"train.lr": ["0.0001", "0.0002"]},
    }
    git(root, "commit", "--quiet", "--all", "--message", "next")
    assert changed(root, with_train(lr=2e-4, epochs=4))["params"] == {}  # type: ignore[index]
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", first)
    assert changed(root, with_train(lr=2e-4, epochs=4))["commit"] == first  # type: ignore[index]


@pytest.mark.parametrize("text", [None, "", "[1, 2]", "a: [", "train: 3\n"])
def test_provenance_of_params_that_git_cannot_tell(tmp_path: Path, text: str | None) -> None:
    root = write_code(tmp_path / "repo")
    assert changed(root, PARAMS) is None
    if text is not None:
        (root / "params.yaml").write_text(text)
    committed(root)
    assert (changed(root, PARAMS) or {"params": {}})["params"] == {}


def test_provenance_recipe_is_the_same_for_seeds_and_for_nothing_else() -> None:
    seeds = {recipe({**PARAMS, "seed": seed}) for seed in (1, 2, 3)}
    assert len(seeds) == 1
    others = [
        with_train(lr=3e-4),
        with_train(head="softmax"),
        with_train(epochs=9),
        {**PARAMS, "corpus": {"name": "b"}},
    ]
    assert len(seeds | {recipe(params) for params in others}) == 5
    assert recipe({**PARAMS, "tracking": {"experiment": "other"}}) in seeds


@pytest.mark.parametrize(
    ("lr", "words"), [(2e-4, "crf lr 2e-4 seed 0"), (1.5e-05, "crf lr 1.5e-5 seed 0"), (1, "crf lr 1e0 seed 0")]
)
def test_provenance_name_of_a_run_can_be_said(lr: float, words: str) -> None:
    assert run_name(with_train(lr=lr)) == words


def test_provenance_tags_only_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "" not in run_tags(PARAMS, "cpu").values()
    assert "clue_ner.experiment" not in run_tags(PARAMS, "cpu")
    monkeypatch.setenv("DVC_EXP_NAME", "lucid-dove")
    assert run_tags(PARAMS, "cpu")["clue_ner.experiment"] == "lucid-dove"


def test_provenance_tags_lead_to_the_taggers_that_training_began_with() -> None:
    assert tagger_tags(TRAINED) == {}
    start = TaggerRecord(
        name="models:/clue-ner@champion", resolved="models:/clue-ner/1", fingerprint="2" * 64, checksums={}
    )
    teacher = TaggerRecord(name="../big", checksums={})
    assert tagger_tags(TRAINED.model_copy(update={"init_from": start, "teacher": teacher})) == {
        "clue_ner.init_from": "models:/clue-ner/1",
        "clue_ner.init_from_fingerprint": "2" * 64,
        "clue_ner.teacher": "../big",
    }
