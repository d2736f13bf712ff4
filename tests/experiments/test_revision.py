"""The files of commits and DVC experiments, by their names."""

import json
import shutil

import pytest

from clue_ner.common.errors import ArtifactError
from clue_ner.experiments.revision import read_file, resolve


@pytest.fixture(scope="module")
def trained(untrained, tmp_path_factory):
    """A repository with the experiments ``low`` and ``high``."""
    path = tmp_path_factory.mktemp("trained") / "repository"
    shutil.copytree(untrained.path, path, symlinks=True)
    made = type(untrained)(path)
    for name, rate in (("low", 1e-4), ("high", 1e-2)):
        made.run("dvc", "exp", "run", "--temp", "--name", name, "-S", f"train.lr={rate}")
    return made


def commit_of(repository, name):
    """The commit of an experiment, or of HEAD, as git has it."""
    found = repository.run("git", "for-each-ref", "--format=%(objectname)", f"refs/exps/*/*/{name}")
    return (found or repository.run("git", "rev-parse", name)).strip()


def lr_of(repository, name):
    """The learning rate of an experiment, from a file that only DVC's cache has."""
    assert not (repository.path / "models").exists()
    return json.loads(read_file(repository.path, name, "models/tagger/tagger.json"))["trained"]["params"]["train"]["lr"]


def test_revision_of_an_experiment_is_its_commit_and_the_one_that_it_started_from(trained):
    head = commit_of(trained, "HEAD")
    for name in ("low", "high"):
        commit = commit_of(trained, name)
        assert resolve(trained.path, name) == resolve(trained.path, commit) == (commit, head)
        assert commit != head
    assert resolve(trained.path, "HEAD") == resolve(trained.path, head[:9]) == (head, head)


def test_revision_has_files_of_git_and_of_the_cache(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (lr_of(trained, "low"), lr_of(trained, "high")) == (1e-4, 1e-2)
    assert json.loads(read_file(trained.path, "low", "metrics/train.json")) == {"valid_micro_f1": pytest.approx(0.85)}
    assert b"lr: 0.001\n" in read_file(trained.path, "HEAD", "params.yaml")


def test_revision_of_an_experiment_goes_before_a_branch_of_its_name(trained):
    trained.run("git", "branch", "low")
    assert lr_of(trained, "low") == 1e-4
    trained.run("git", "branch", "--delete", "low")


def test_revision_that_is_not_there_is_refused_with_what_lists_them(trained):
    with pytest.raises(ArtifactError, match=r"'lower' is neither a commit nor an experiment .*`dvc exp list -A`"):
        resolve(trained.path, "lower")


def test_revision_without_a_file_is_named_with_it(trained):
    with pytest.raises(ArtifactError, match=r"low: metrics/evaluate\.json: .*run `dvc pull`"):
        read_file(trained.path, "low", "metrics/evaluate.json")
    with pytest.raises(ArtifactError, match=r"HEAD: models/tagger/tagger\.json: .*run `dvc pull`"):
        read_file(trained.path, "HEAD", "models/tagger/tagger.json")


def test_revision_of_a_name_that_two_commits_have_is_that_of_head(trained):
    first = commit_of(trained, "HEAD")
    trained.commit("--allow-empty")
    trained.run("git", "update-ref", f"refs/exps/{(head := commit_of(trained, 'HEAD'))[:2]}/{head[2:]}/low", "HEAD")
    assert resolve(trained.path, "low") == (head, head)
    trained.commit("--allow-empty")
    with pytest.raises(ArtifactError, match="Ambiguous name 'low'"):
        resolve(trained.path, "low")
    trained.run("git", "reset", "--quiet", first)
    assert resolve(trained.path, "low")[1] == first
