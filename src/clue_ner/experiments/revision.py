"""One finished training, read from a folder or from a commit or DVC experiment, once all its files belong together."""

import hashlib
import json
import re
import shlex
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, Protocol

from clue_ner.common.errors import ArtifactError
from clue_ner.common.git import git
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.files import from_record
from clue_ner.core.params import read_yaml
from clue_ner.tracking.provenance import CODE

SECTIONS = ("corpus", "backbone", "tagging", "train")
"""The sections of params.yaml that decide a training, with ``seed``."""
AGAIN = "run `dvc repro` there and try again"

Values = dict[str, Any]


class Source(Protocol):
    """The files of one training, by their path in the repository."""

    root: Path
    name: str
    commit: str

    def read(self, path: str) -> bytes:
        """The bytes of a file; raises FileNotFoundError."""

    def files(self, folder: str) -> list[str]:
        """What git has below ``folder``, or ``[folder]`` for a file."""

    def changed_code(self) -> list[str]:
        """Files of the code that are not as in ``commit``."""


class Folder:
    """The training in a working tree."""

    def __init__(self, root: Path) -> None:
        self.root, self.name = root, str(root)
        self.commit = git(root, "rev-parse", "HEAD").decode().strip()

    def read(self, path: str) -> bytes:
        """The bytes of a file; raises FileNotFoundError."""
        return (self.root / path).read_bytes()

    def files(self, folder: str) -> list[str]:
        """What git has below ``folder``, also what is not committed."""
        return _names(git(self.root, "ls-files", "-z", "-co", "--exclude-standard", "--", folder))

    def changed_code(self) -> list[str]:
        """Files of the code that are not as in ``commit``."""
        return [line[3:] for line in _names(git(self.root, "status", "--porcelain", "-z", "--", *CODE))]


class Revision:
    """The training in a commit, or in a DVC experiment by its name; what DVC tracks comes from its cache.

    ``commit`` of an experiment is the one that it started from.
    """

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name
        experiments = {}
        for line in git(root, "for-each-ref", "--format=%(refname) %(objectname)", "refs/exps").decode().split("\n"):
            ref, _, sha = line.partition(" ")
            parts = ref.split("/")
            if len(parts) == 5 and len(parts[2]) == 2:
                experiments[parts[4]] = experiments[sha] = (parts[2] + parts[3], sha)
        if name in experiments:
            self.commit, self.sha = experiments[name]
        else:
            try:
                self.sha = git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").decode().strip()
            except ArtifactError:
                raise ArtifactError(
                    f"{root}: {name!r} is neither a commit nor an experiment; `dvc exp list -A` lists those there are"
                ) from None
            self.commit = experiments.get(self.sha, (self.sha,))[0]

    @cached_property
    def _dvc(self) -> Any:
        from dvc.api import DVCFileSystem

        return DVCFileSystem(url=str(self.root), rev=self.sha)

    def read(self, path: str) -> bytes:
        """The bytes of a file, from git or DVC's cache; raises FileNotFoundError."""
        try:
            return git(self.root, "cat-file", "blob", f"{self.sha}:{path}")
        except ArtifactError:
            pass
        try:
            return bytes(self._dvc.read_bytes(path))
        except Exception as error:  # DVC lets through whatever its index and its storages raise
            raise FileNotFoundError(f"{path}: {error}") from None

    def files(self, folder: str) -> list[str]:
        """What git has below ``folder``."""
        return _names(git(self.root, "ls-tree", "-r", "-z", "--name-only", self.sha, folder))

    def changed_code(self) -> list[str]:
        """Files of the code that are not as in ``commit``."""
        return _names(git(self.root, "diff", "--name-only", "-z", self.commit, self.sha, "--", *CODE))


@dataclass(frozen=True)
class Experiment:
    """A finished training with its test scores."""

    source: Source
    params: Values
    """by dotted name, ``train.lr``; ``seed`` and ``SECTIONS``"""
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
        return " ".join(["dvc exp run", *(f"-S {shlex.quote(change)}" for change in self.changed)])

    def json(self, path: str) -> Any:
        """A further JSON file of the training; raises ArtifactError if it is not there."""
        return json.loads(_read(self.source, path))

    def parameters(self) -> int | None:
        """How many weights the model has, by the header of its file; None where the file is not there."""
        try:
            content = self.source.read("models/tagger/model.safetensors")
        except FileNotFoundError:
            return None
        (length,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + length])
        return int(sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__"))


def read_experiment(source: Source) -> Experiment:
    """Read a training and its scores; raises ArtifactError unless params, code, metrics and predictions are of one run.

    What belongs together is what dvc.lock says; the code must be that of the commit.
    """
    if changed := source.changed_code():
        raise ArtifactError(
            f"{source.name}: code that is in no commit: {_some(changed)}; commit it, or set it back, {AGAIN}"
        )
    params = read_yaml(_read(source, "params.yaml"), f"{source.name}: params.yaml")
    stages = read_yaml(_read(source, "dvc.lock"), f"{source.name}: dvc.lock").get("stages", {})
    wrong: list[str] = []
    for stage in ("fine_tune", "evaluate"):
        if stage not in stages:
            raise ArtifactError(f"{source.name}: dvc.lock has no stage {stage}: it has not run; {AGAIN}")
        wrong += _differences(source, stage, stages[stage], params)
    outs, deps = (
        {entry["path"]: entry for entry in stages[stage][kind]}
        for stage, kind in (("fine_tune", "outs"), ("evaluate", "deps"))
    )
    if outs["models/tagger"]["md5"] != deps["models/tagger"]["md5"]:
        wrong.append("dvc.lock: evaluate has scored another models/tagger than fine_tune has made")
    if wrong:
        raise ArtifactError(
            "\n  ".join([f"{source.name}: params, code and metrics are not of one run; {AGAIN}", *wrong])
        )
    evaluation = json.loads(_read(source, "metrics/evaluate.json"))
    written = [f"data/predictions/{name}" for name in ("errors.json", f"{evaluation['split']}.jsonl")]
    recorded = {entry["path"]: entry["md5"] for entry in stages["evaluate"]["outs"]}["data/predictions"]
    if _md5(lambda path: _read(source, path), "data/predictions", written) != recorded:
        raise ArtifactError(f"{source.name}: data/predictions: not as it was when evaluate ran; {AGAIN}")
    gold, predicted = _predictions(source, evaluation["split"])
    where = f"{source.commit}:params.yaml"
    committed = flat(read_yaml(git(source.root, "cat-file", "blob", where), where))
    return Experiment(
        source,
        of_training(params),
        [
            change
            for name, value in flat(params).items()
            if committed.get(name, ...) != value
            for change in overrides(name, value, committed.get(name))
        ],
        json.loads(_read(source, "metrics/train.json")),
        evaluation,
        gold,
        predicted,
        outs["models/tagger"]["size"],
    )


def flat(params: Mapping[str, Any]) -> Values:
    """Params by dotted name, two levels deep: what a section's key holds is one value.

    >>> flat({"seed": 1, "train": {"lr": 2e-4, "weights": {"name": 2}}})
    {'seed': 1, 'train.lr': 0.0002, 'train.weights': {'name': 2}}
    """
    values: Values = {}
    for name, value in params.items():
        values |= {f"{name}.{key}": item for key, item in value.items()} if isinstance(value, dict) else {name: value}
    return values


def of_training(params: Mapping[str, Any]) -> Values:
    """Those of nested ``params`` that decide a training, by dotted name: ``seed`` and ``SECTIONS``."""
    return {name: value for name, value in flat(params).items() if name.partition(".")[0] in ("seed", *SECTIONS)}


def overrides(name: str, value: Any, before: Any = None) -> list[str]:
    """A param as ``-S`` of ``dvc exp run`` takes it, for params.yaml that has ``before``: of a mapping, each key.

    >>> overrides("train.lr", 4e-05) + overrides("backbone.revision", None) + overrides("corpus.path", "my texts")
    ['train.lr=4e-05', 'backbone.revision=null', 'corpus.path="my texts"']
    >>> overrides("train.class_weights", {"name": 2.0}, {"scene": 1.5})
    ['++train.class_weights.name=2.0', '~train.class_weights.scene']
    """
    if not isinstance(value, dict):
        return [f"{name}={_literal(value)}"]
    gone = before.keys() - value.keys() if isinstance(before, dict) else ()
    set_here = [f"++{name}.{key}={_literal(item)}" for key, item in value.items()]
    return [*set_here, *(f"~{name}.{key}" for key in sorted(gone))]


def _literal(value: Any) -> str:
    """A value in the grammar of Hydra's overrides."""
    match value:
        case None | bool() | int() | float():
            return json.dumps(value)
        case list():
            return "[" + ",".join(map(_literal, value)) + "]"
        case str() if re.fullmatch(r"(?!(null|true|false|nan|inf)$)[A-Za-z./][A-Za-z0-9_./-]*", value, re.IGNORECASE):
            return value
    # Hydra takes a backslash as it is, but before a quote.
    return '"' + re.sub(r'(\\*)("|$)', lambda found: found[1] * 2 + ("\\" + found[2] if found[2] else ""), value) + '"'


def _differences(source: Source, stage: str, lock: Mapping[str, Any], params: Mapping[str, Any]) -> list[str]:
    """How the files of ``source`` differ from what dvc.lock says that ``stage`` read and wrote."""
    wrong: list[str] = []
    for name, ran in lock.get("params", {}).get("params.yaml", {}).items():
        here: Any = params
        for part in name.split("."):
            here = here.get(part) if isinstance(here, dict) else None
        there, then = flat({name: here}), flat({name: ran})
        for key in sorted(there.keys() | then.keys()):
            if there.get(key, ...) != then.get(key, ...):
                told = (repr(values[key]) if key in values else "nothing" for values in (there, then))
                wrong.append(f"params.yaml: {key} is {next(told)}, and {stage} ran with {next(told)}")
    for entry in (*lock["deps"], *lock["outs"]):
        path = entry["path"]
        if path.startswith(("src/", "stages/", "metrics/")):
            try:
                found = _md5(source.read, path, source.files(path))
            except FileNotFoundError:
                found = None
            if found != entry["md5"]:
                wrong.append(f"{path}: {'missing' if found is None else 'not as it was'} when {stage} ran")
    return wrong


def _md5(read: Callable[[str], bytes], path: str, names: list[str]) -> str:
    """What DVC calls the content of a file, or of a folder with these files."""
    if names == [path]:
        return hashlib.md5(read(path)).hexdigest()
    listed = [
        {"md5": hashlib.md5(read(name)).hexdigest(), "relpath": name.removeprefix(f"{path}/")} for name in sorted(names)
    ]
    return hashlib.md5(json.dumps(listed, sort_keys=True).encode()).hexdigest() + ".dir"


def _predictions(source: Source, split: str) -> tuple[list[Sentence], list[list[Entity]]]:
    gold, predicted = [], []
    for line in _read(source, f"data/predictions/{split}.jsonl").decode().removesuffix("\n").split("\n"):
        record = json.loads(line)
        gold.append(from_record(record))
        predicted.append([Entity(e["start"], e["end"], e["type"]) for e in record["predicted"]])
    return gold, predicted


def _read(source: Source, path: str) -> bytes:
    try:
        return source.read(path)
    except FileNotFoundError:
        raise ArtifactError(
            f"{source.name}: {path} is not there; {AGAIN}, or `dvc pull` if it was run elsewhere"
        ) from None


def _names(answer: bytes) -> list[str]:
    return [name for name in answer.decode().split("\0") if name]


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
