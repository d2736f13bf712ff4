"""One finished training, once all its files belong together."""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo
from safetensors import deserialize

from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import ADVICE
from clue_ner.common.git import git
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.params import dotted, dotted_training
from clue_ner.core.sentences import from_record
from clue_ner.core.yaml import read_yaml
from clue_ner.experiments.overrides import command_line, overrides
from clue_ner.experiments.revision import read_file, resolve

MODEL = "models/tagger"
CODE = ("src", "stages", "dvc.yaml", "requirements.lock")
"""What has to be as in the commit of a row."""
AGAIN = "run `dvc repro` there and try again"

LINKS = "data/sources/"
"""Where the stage sources puts links to folders, which DVC does not cache."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Files:
    """The files of a training, by their path in the repository."""

    name: str
    tree: Any
    """a DVCFileSystem: what is not in the tree comes from DVC's cache, by its hash in dvc.lock"""

    def read(self, path: str) -> bytes:
        """The content of a file; raises ArtifactError if it is nowhere, or damaged in the cache."""
        try:
            content, md5 = bytes(self.tree.read_bytes(path)), self.tree.info(path).get("md5")
        except Exception:  # DVC lets through whatever its index and its storages raise
            raise ArtifactError(
                f"{self.name}: {path} is missing; {AGAIN}, or `dvc pull` if it was run elsewhere"
            ) from None
        if md5 and hashlib.md5(content).hexdigest() != md5:
            raise ArtifactError(f"{self.name}: {path}: damaged in DVC's cache; {ADVICE}")
        return content

    def json(self, path: str) -> Any:
        """The values of a JSON file; raises as ``read``."""
        return json.loads(self.read(path))


@dataclass(frozen=True)
class Experiment:
    """A finished training with its test scores."""

    root: Path
    """the repository that it was trained in"""
    commit: str
    files: Files
    params: dict[str, Any]
    """those that decide a training, by dotted name: ``train.lr``"""
    changed: list[str]
    """what ``-S`` takes to make all params of the commit's own params.yaml"""
    train: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    gold: list[Sentence]
    predicted: list[list[Entity]]
    model_bytes: int

    @property
    def command(self) -> str:
        """What runs this training in a checkout of its commit."""
        return command_line(self.changed)

    def parameters(self) -> int | None:
        """How many parameters the model has; None where its file is not there."""
        try:
            tensors = deserialize(self.files.read(f"{MODEL}/model.safetensors"))  # type: ignore[no-untyped-call]
        except ArtifactError as error:
            _log.warning("number of parameters unknown: %s", error)
            return None
        return sum(int(prod(tensor["shape"])) for _, tensor in tensors)


@contextmanager
def open_experiment(root: Path, rev: str | None = None) -> Iterator[Experiment]:
    """A training in the working tree of ``root``, or as the commit or DVC experiment ``rev`` has it.

    Raises ArtifactError unless params, code, metrics and predictions are of one run, the one in dvc.lock, and the code
    is that of the commit, or of the commit that the experiment started from.
    """
    name = rev or str(root)
    sha, commit = (None, resolve(root, "HEAD")[0]) if rev is None else resolve(root, rev)
    if changed := _changed_code(root, commit, sha):
        more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise ArtifactError(
            f"{name}: code that is not committed: {', '.join(changed[:5])}{more}; commit it, or set it back, {AGAIN}"
        )
    try:
        with Repo.open(str(root), rev=sha) as repo:
            yield _read(root, commit, repo, Files(name, repo.dvcfs))
    except DvcException as error:
        raise ArtifactError(f"{name}: {error}; {AGAIN}") from None


def _changed_code(root: Path, commit: str, sha: str | None) -> list[str]:
    """Files of the code that ``sha``, or without it the working tree, does not have as ``commit``."""
    if sha is None:
        lines = git(root, "status", "--porcelain", "-z", "--", *CODE).decode().split("\0")
        return [line[3:] for line in lines if line]
    return git(root, "diff", "--name-only", "-z", commit, sha, "--", *CODE).decode().split("\0")[:-1]


def _read(root: Path, commit: str, repo: Any, files: Files) -> Experiment:
    fine_tune, evaluate = (
        repo.stage.load_one(repo.fs.join(repo.root_dir, "dvc.yaml"), stage) for stage in ("fine_tune", "evaluate")
    )
    wrong = [*_differences(fine_tune, files), *_differences(evaluate, files)]
    recorded = {entry.def_path: entry for entry in (*fine_tune.deps, *fine_tune.outs)}
    for entry in evaluate.deps:
        if entry.hash_name != "params" and entry.hash_info != recorded.get(entry.def_path, entry).hash_info:
            wrong.append(f"dvc.lock: evaluate has read another {entry.def_path} than fine_tune has read or written")
    if wrong:
        raise ArtifactError(
            "\n  ".join(
                [f"{files.name}: params, code, metrics and predictions do not belong to one run; {AGAIN}", *wrong]
            )
        )
    params = read_yaml(files.read("params.yaml"), f"{files.name}: params.yaml")
    committed = dotted(read_yaml(read_file(root, commit, "params.yaml"), f"{commit}:params.yaml"))
    evaluation = files.json("metrics/evaluate.json")
    gold, predicted = _predictions(files, evaluation["split"])
    return Experiment(
        root,
        commit,
        files,
        dotted_training(params),
        [
            change
            for name, value in dotted(params).items()
            if committed.get(name, ...) != value
            for change in overrides(name, value, committed.get(name))
        ],
        files.json("metrics/train.json"),
        evaluation,
        gold,
        predicted,
        recorded[MODEL].meta.size,
    )


def _differences(stage: Any, files: Files) -> list[str]:
    """How the files differ from what dvc.lock records that a stage read and wrote.

    What is only in DVC's cache is there by its hash in dvc.lock, and does not differ. No commit has links to folders.
    """
    if not all(out.hash_info for out in stage.outs):
        raise ArtifactError(f"{files.name}: dvc.lock has no stage {stage.name}: it has not run; {AGAIN}")
    wrong = [f"dvc.yaml: not the command that {stage.name} ran"] if stage.changed_stage() else []
    for params in stage.params:
        now, then = dotted(params.read_params()), dotted(params.hash_info.value)
        for key in sorted(now.keys() | then.keys()):
            if now.get(key, ...) != then.get(key, ...):
                here, ran = (repr(values[key]) if key in values else "nothing" for values in (now, then))
                wrong.append(f"params.yaml: {key} is {here}, and {stage.name} ran with {ran}")
    for entry in (*stage.deps, *stage.outs):
        for state in entry.workspace_status().values() if entry.hash_name != "params" else ():
            if state == "deleted" and (files.tree.isdvc(entry.def_path) or entry.def_path.startswith(LINKS)):
                continue
            found = "missing" if state == "deleted" else "not as it was"
            wrong.append(f"{entry.def_path}: {found} when {stage.name} ran")
    return wrong


def _predictions(files: Files, split: str) -> tuple[list[Sentence], list[list[Entity]]]:
    gold, predicted = [], []
    for line in files.read(f"data/predictions/{split}.jsonl").decode().removesuffix("\n").split("\n"):
        record = json.loads(line)
        gold.append(from_record(record))
        predicted.append([Entity(e["start"], e["end"], e["type"]) for e in record["predicted"]])
    return gold, predicted
