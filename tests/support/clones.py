"""A clone of the repository with a tiny corpus and a tiny random BERT, in which commands run as a person's would."""

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import yaml

from support import tiny_backbones
from support.places import ROOT

CHANGES = {
    "corpus": {"name": "jsonl", "path": "corpus", "valid_fraction": 0.2},
    "backbone": {"name": "./backbone/"},
    "train": {"epochs": 2, "lr": 1e-3, "context_size": 16},
    "evaluate": {"bootstrap": 100},
}
STAGES = ["sources", "download", "backbone", "tag_map", "tokenize_align", "fine_tune", "evaluate", "export"]


class Clone:
    """A repository in which commands are run as a person would."""

    def __init__(self, path: Path) -> None:
        self.path = path
        dropped = ("DVC_", "MLFLOW_", "CLUE", "GIT_")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        self.environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment["OMP_NUM_THREADS"] = "1"
        self.environment["PYTHONPATH"] = str(path / "src")  # of clue-ner, too

    def run(self, *command: str, ok: bool | None = True) -> str:
        """What it says; ``ok`` is whether it must end well, None if either will do."""
        process = self.start(*command)
        try:
            status = process.wait(280)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert ok is None or (status == 0) == ok, self.said()
        return self.said()

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """In a session of its own, so that all it starts can be killed with it; it speaks to ``said``."""
        with (self.path / ".git/said").open("w") as said:
            return subprocess.Popen(
                command,
                cwd=self.path,
                env=self.environment,
                stdout=said,
                stderr=said,
                text=True,
                start_new_session=True,
            )

    def said(self) -> str:
        """What the command started last has said so far."""
        return (self.path / ".git/said").read_text()

    def commit(self, message: str) -> None:
        self.run("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", message)

    def stages_run(self, output: str) -> list[str]:
        return [stage for stage in STAGES if f"Running stage '{stage}'" in output]

    def client(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient(f"sqlite:///{self.path}/mlflow.db")

    def runs(self) -> list[mlflow.entities.Run]:
        experiments = [e.experiment_id for e in self.client().search_experiments() if e.name == "clue-ner"]
        return list(self.client().search_runs(experiments))


def make_clone(path: Path, **sections: dict[str, Any]) -> Clone:
    """Copy what git knows to ``path``; ``sections`` are params beyond ``CHANGES``."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(
            ("tests/", "metrics/", "plots/", "docs/results/", "dvc.lock")
        ):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes((ROOT / name).read_bytes())
    tiny_backbones.unigram(path / "backbone")
    write_corpus(path / "corpus")
    params = yaml.safe_load((path / "params.yaml").read_text())
    for changes in (CHANGES, sections):
        for section, values in changes.items():
            params[section].update(values)
    (path / "params.yaml").write_text(yaml.safe_dump(params))
    clone = Clone(path)
    subprocess.run(["git", "init", "--quiet"], cwd=path, check=True)
    clone.run("git", "add", "--all", "--force")
    clone.commit("all")
    return clone


def write_corpus(folder: Path) -> None:
    folder.mkdir()
    people, places = ("黄飞鸿", "王德发", "晓明", "晓艳"), ("北京", "佛山", "上海", "广东")
    for split, forms in (
        ("train", ("我是{p}，目前住在{q}。", "{p}在{q}看电影", "{q}的新经理说{p}高")),
        ("test", ("{p}一起住在{q}",)),
    ):
        lines = []
        for person, place, form in itertools.product(people, places, forms):
            text = form.format(p=person, q=place)
            found = [("name", person), ("address", place)]
            entities = [{"type": t, "start": text.index(s), "end": text.index(s) + len(s), "text": s} for t, s in found]
            lines.append(json.dumps({"text": text, "entities": entities}, ensure_ascii=False))
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
