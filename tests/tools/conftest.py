"""An empty table with rows to add to it, and a repository in which a small pipeline has run."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.changed_params import write_params
from support.places import ROOT

from clue_ner.evaluation.report import micro_f1_ci95
from clue_ner.evaluation.scores import micro_f1
from tools.results.rows import Row, own_params, row_name, write_row
from tools.results.table import BEGIN, END

SENTENCES = 300

PIPELINE = """
stages:
  fine_tune:
    cmd: python stages/fine_tune.py
    deps: [stages/fine_tune.py, src/clue_ner/core]
    params: [seed, corpus, backbone, tagging, train]
    outs: [models/tagger]
    metrics: [metrics/train.json: {cache: false}, metrics/corpus.json: {cache: false}]
  evaluate:
    cmd: python stages/evaluate.py
    deps: [stages/evaluate.py, src/clue_ner/core, models/tagger]
    params: [seed, evaluate]
    outs: [data/predictions]
    metrics: [metrics/evaluate.json: {cache: false}]
"""

FINE_TUNE = """
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from clue_ner.common.files import write_json
from clue_ner.core.params import load_params

params = load_params(Path("params.yaml"))
trained = {"fingerprint": f"{params.seed:064}"}
write_json(Path("models/tagger/tagger.json"), {"head": params.train.head, "trained": trained})
save_file({"a": np.zeros((3, 5), np.float32), "b": np.zeros(7, np.int64)}, "models/tagger/model.safetensors")
epochs = [{"loss": 2.0}, {"loss": 1.0}]
write_json(Path("metrics/train.json"), {"valid_micro_f1": 0.5 + params.train.lr, "epochs": epochs})
write_json(Path("metrics/corpus.json"), {"splits": {"train": {"characters": 900}}})
"""
"""A model of 22 parameters."""

EVALUATE = """
from pathlib import Path

from clue_ner.common.files import read_json, write_json
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.params import load_params
from clue_ner.evaluation.predictions import write
from clue_ner.evaluation.report import report

params = load_params(Path("params.yaml"))
gold = [Sentence(str(i), "李雷在上海", (Entity(0, 2, "name"), Entity(3, 5, "address"))) for i in range(20)]
found = [[Entity(0, 2, "name", 0.9)] if i % (params.seed + 1) else list(s.entities) for i, s in enumerate(gold)]
scores = report(gold, found, None, params.evaluate.bootstrap, params.seed)
errors = read_json(Path("models/tagger/tagger.json"))
write(Path("data/predictions"), "test", gold, found, errors, [])
write_json(Path("metrics/evaluate.json"), {"split": "test", **scores})
"""
"""Scores by the project's own code of a tagger that misses half of the entities in most sentences."""


class Repository:
    """A repository in which commands run as a person would run them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, *command: str) -> str:
        """What it writes to stdout; it has to end well."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "GIT_"))}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        environment["PYTHONPATH"] = str(ROOT / "src")
        done = subprocess.run(command, cwd=self.path, env=environment, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def commit(self, message: str) -> str:
        """Commit everything that git does not ignore; the commit."""
        self.run("git", "add", "--all")
        self.run("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", message)
        return self.run("git", "rev-parse", "HEAD").strip()

    def write(self, name: str, content: str) -> None:
        """Write a file in the place of what is there, which may be read-only."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(content)

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace a text in a file, which has to have it."""
        content = (self.path / name).read_text()
        assert old in content
        self.write(name, content.replace(old, new))


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository with a pipeline of two small stages, run, committed, and with the experiment ``second``."""
    made = Repository(tmp_path_factory.mktemp("trained"))
    write_params(made.path, train={"head": "crf", "lr": 2e-4}, evaluate={"bootstrap": 100})
    for name, content in (
        ("dvc.yaml", PIPELINE),
        ("stages/fine_tune.py", FINE_TUNE),
        ("stages/evaluate.py", EVALUATE),
        ("src/clue_ner/core/code.py", "ONE = 1\n"),
    ):
        made.write(name, content)
    made.run("git", "init", "--quiet")
    made.run("dvc", "init", "--quiet")
    made.commit("begun")
    made.run("dvc", "repro", "--quiet")
    made.commit("trained")
    made.run("dvc", "exp", "run", "--quiet", "--temp", "--name", "second", "-S", "seed=2", "-S", "train.head=softmax")
    return made


@pytest.fixture
def trained(trained_once: Repository, tmp_path: Path) -> Repository:
    """A copy of ``trained_once`` to change."""
    shutil.copytree(trained_once.path, tmp_path / "trained", symlinks=True)
    return Repository(tmp_path / "trained")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with an empty table."""
    root = tmp_path / "table"
    (root / "docs").mkdir(parents=True)
    write_params(root)
    (root / "dvc.yaml").touch()
    (root / "docs/results.md").write_text(f"# Results\n\n{BEGIN}\n{END}\n\nThe end\n")
    monkeypatch.chdir(root)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return root


@pytest.fixture
def add_row(root: Path) -> Callable[..., Row]:
    """``add_row(share, **params)`` adds a row whose tagger finds a ``share`` of the entities, also on valid.

    ``params`` have __ in the place of the dot; ``test`` is the fingerprint of the split.
    """

    def add(share: float, *, replace: bool = False, test: str = "t" * 64, **changes: Any) -> Row:
        params = own_params(root) | {name.replace("__", "."): value for name, value in changes.items()}
        generator = np.random.default_rng(params["seed"])
        gold = generator.integers(1, 4, SENTENCES)
        correct = generator.binomial(gold, share)
        counts = np.stack([correct, gold, gold], axis=1)
        f1 = micro_f1(counts)
        low, high = micro_f1_ci95(counts, 200, 0)
        score = {"precision": f1, "recall": f1, "f1": f1, "f1_ci95": [low, high], "support": int(gold.sum())}
        scores = {f"{name}_{key}": value for name in ("micro", "lenient", "official") for key, value in
                  (("f1", f1), ("low", low), ("high", high))}  # fmt: skip
        row = Row(
            row=row_name(params), corpus=params["corpus.name"], backbone="e5-small", head=params["train.head"],
            align=params["tagging.align"], scheme="BIO", seed=params["seed"], valid_f1=share, micro_precision=f1,
            micro_recall=f1, **scores, parameters=61_800_000, model_bytes=250_000_000, train_minutes=None,
            train_characters_per_second=None, tag_characters_per_second=None, device="cpu", commit="a" * 40,
            command="dvc exp run", test=test, params=params,
        )  # fmt: skip
        write_row(root, row, {"name": score}, counts, replace=replace)
        return row

    return add
