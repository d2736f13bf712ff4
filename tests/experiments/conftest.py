"""A repository whose training takes no time, so that many can be run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.changed_params import write_params
from support.places import ROOT

PIPELINE = """
stages:
  fine_tune:
    cmd: python stages/fine_tune.py
    deps: [stages/fine_tune.py]
    params: [seed, corpus, backbone, tagging, train]
    outs: [models/tagger]
    metrics: [metrics/train.json: {cache: false}]
"""

FINE_TUNE = """
import hashlib, json, math, os, time
from pathlib import Path
from ruamel.yaml import YAML

params = YAML(typ="safe").load(Path("params.yaml"))
home = Path(os.environ.get("DVC_ROOT", "."))
with (home / ".git/runs").open("a") as runs:
    print(params["train"]["lr"], file=runs)
while (home / ".git/hold").exists() and len((home / ".git/runs").read_text().split()) == 2:
    time.sleep(0.05)
f1 = 0.9 - abs(math.log10(params["train"]["lr"]) + 3) / 10 + (params["train"]["head"] == "crf") / 20
Path("models/tagger").mkdir(parents=True)
Path("metrics").mkdir(exist_ok=True)
fingerprint = hashlib.sha256(repr(params).encode()).hexdigest()
Path("models/tagger/tagger.json").write_text(json.dumps({"trained": {"fingerprint": fingerprint, "params": params}}))
Path("metrics/train.json").write_text(json.dumps({"valid_micro_f1": f1}))
"""
"""Notes each run; the second one waits as long as .git/hold is there."""


class Repository:
    """A repository in which commands run as a person would run them; their output goes to ``output``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        dropped = ("DVC_", "GIT_", "MLFLOW_", "CLUE")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        self.environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment["PYTHONPATH"] = str(ROOT / "src")
        self.environment["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:9"  # nobody listens: tracking must not matter

    def start(self, *command: str) -> "subprocess.Popen[bytes]":
        """In a session of its own, so that all it starts can be killed with it."""
        with (self.path / ".git/output").open("w") as output:
            return subprocess.Popen(
                command, cwd=self.path, env=self.environment, stdout=output, stderr=output, start_new_session=True
            )

    def run(self, *command: str, ok: bool = True) -> str:
        """What it writes; ``ok`` is whether it has to end well."""
        status = self.start(*command).wait(200)
        assert (status == 0) == ok, self.output()
        return self.output()

    def output(self) -> str:
        """What the command started last has written so far."""
        return (self.path / ".git/output").read_text()

    def commit(self, *options: str) -> str:
        """Commit everything that git does not ignore; the commit."""
        self.run("git", "add", "--all")
        self.run("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "some", *options)
        return self.run("git", "rev-parse", "HEAD").strip()

    def runs(self) -> list[str]:
        """The learning rate of each training so far."""
        path = self.path / ".git/runs"
        return path.read_text().split() if path.exists() else []


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository in which nothing has run."""
    made = Repository(tmp_path_factory.mktemp("repository"))
    write_params(made.path, train={"head": "crf", "lr": 1e-3})
    (made.path / "dvc.yaml").write_text(PIPELINE)
    (made.path / "stages").mkdir()
    (made.path / "stages/fine_tune.py").write_text(FINE_TUNE)
    subprocess.run(["git", "init", "--quiet"], cwd=made.path, check=True)
    made.run("dvc", "init", "--quiet")
    made.commit()
    return made


@pytest.fixture
def repository(untrained: Repository, tmp_path: Path) -> Repository:
    """A copy of ``untrained``."""
    shutil.copytree(untrained.path, tmp_path / "repository", symlinks=True)
    return Repository(tmp_path / "repository")
