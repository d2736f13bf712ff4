"""The journal of a training, written to disk as it happens: one file of JSON lines per training, the source for MLflow.

Each line is flushed to disk before the call returns, so it survives kills and server outages. Secrets are removed here,
so MLflow never gets them.
"""

import json
import os
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from clue_ner.common.files import write_text
from clue_ner.common.paths import home_of
from clue_ner.common.redaction import redact
from clue_ner.tracking import provenance


@dataclass
class Record:
    """The content of a journal; times are milliseconds since 1970."""

    begin: dict[str, Any]
    points: dict[tuple[str, int], tuple[float, int]] = field(default_factory=dict)
    """(metric, step) to (value, time)"""
    tags: dict[str, str] = field(default_factory=dict)
    """tags that were added after the beginning"""
    descriptions: list[str] = field(default_factory=list)
    """descriptions of the run, the latest last"""
    datasets: list[dict[str, Any]] = field(default_factory=list)
    """the datasets of the scores: ``name``, ``fingerprint``, and the ``step`` of the first scores on it"""
    artifacts: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    """fingerprints of the trainings whose runs are nested below this one"""
    status: str | None = None
    end: int | None = None
    damaged: list[int] = field(default_factory=list)
    """numbers of the lines that could not be read"""


class Journal:
    """The journal of the training ``fingerprint``, in ``.tracking/`` of the repository that ``root`` belongs to."""

    def __init__(self, root: Path, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self.path = home_of(root) / ".tracking" / f"{fingerprint}.jsonl"
        self.files = self.path.with_suffix("")

    def begin(
        self,
        params: Mapping[str, Any],
        tags: Mapping[str, str],
        params_text: str,
        dataset: Mapping[str, Any],
        name: str = "params.yaml",
        changed: Mapping[str, Any] | None = None,
    ) -> None:
        """Start the journal; a training that is resumed or repeated keeps its first beginning.

        ``params``: all of params.yaml, nested. ``tags``: see ``provenance.run_tags``. ``params_text``: attached as
        ``name``. ``dataset``: ``name``, ``fingerprint``, ``types`` of entities, and whatever else describes the corpus;
        empty for none. ``changed``: see ``provenance.changed``.
        """
        if self.read() is not None:
            return
        self.artifact(name, params_text)
        self.artifact("environment.txt", provenance.environment())
        identity = uuid.uuid4().hex
        self._append(
            "begin",
            id=identity,
            experiment=params["tracking"]["experiment"],
            name=tags.get("clue_ner.experiment") or provenance.run_name(params),
            params=provenance.recorded(params),
            tags=dict(tags) | {"clue_ner.fingerprint": self.fingerprint, "clue_ner.journal": identity},
            dataset=dict(dataset),
            changed=changed,
        )

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Record values at ``step``; if a metric is recorded twice for a step, the first value and time are used."""
        self._append("metrics", step=step, values={name: rounded(value) for name, value in values.items()})

    def tags(self, values: Mapping[str, str]) -> None:
        """Record tags of the run; if one is recorded twice, the last value is used."""
        self._append("tags", values=dict(values))

    def describe(self, description: str) -> None:
        """Record the description of the run, in Markdown, if it has changed."""
        record = self.read()
        if record is None or record.descriptions[-1:] != [description]:
            self._append("description", text=description)

    def dataset(self, step: int, described: Mapping[str, Any]) -> None:
        """Record the dataset of the scores from ``step`` on: ``name``, ``fingerprint``, and other properties."""
        self._append("dataset", values={**described, "step": step})

    def artifact(self, name: str, content: str | Path) -> None:
        """Store a copy of a text or a file as ``name``, which replaces an earlier one with that name."""
        target = self.files / name
        if isinstance(content, str):
            write_text(target, redact(content))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.{os.getpid()}")
            shutil.copyfile(content, partial)
            partial.replace(target)
        self._append("artifact", name=name)

    def child(self, fingerprint: str) -> None:
        """Record that the training ``fingerprint`` is a child of this one, like a trial of a sweep."""
        self._append("child", fingerprint=fingerprint)

    def end(self, status: str = "FINISHED") -> None:
        """Record how the training ended: ``FINISHED``, ``FAILED`` or ``KILLED``; ``FINISHED`` is final."""
        record = self.read()
        if record is None or record.status != "FINISHED":
            self._append("end", status=status)

    def read(self) -> Record | None:
        """The content of the journal so far, or None if it was not started; damaged lines are skipped and listed."""
        if not self.path.exists():
            return None
        begin, record = None, Record({})
        for number, line in enumerate(self.path.read_bytes().split(b"\n")[:-1], 1):
            try:
                entry = json.loads(line)
                match entry["kind"]:
                    case "begin":
                        begin = begin or _whole(entry)
                    case "metrics":
                        for name, value in entry["values"].items():
                            record.points.setdefault((name, entry["step"]), (value, entry["time"]))
                    case "tags":
                        record.tags |= entry["values"]
                    case "description":
                        record.descriptions.append(entry["text"])
                    case "dataset":
                        record.datasets.append(_with(entry["values"], {"name": str, "fingerprint": str, "step": int}))
                    case "artifact":
                        record.artifacts = [*(n for n in record.artifacts if n != entry["name"]), entry["name"]]
                    case "child":
                        record.children = list(dict.fromkeys([*record.children, entry["fingerprint"]]))
                    case "end":
                        record.status, record.end = entry["status"], entry["time"]
            except (ValueError, KeyError, TypeError, RecursionError):
                record.damaged.append(number)
        if begin is None:
            return None
        record.begin = begin
        return record

    def _append(self, kind: str, **entry: Any) -> None:
        """Add a line; an incomplete last line, left by a kill, is replaced."""
        line = redact(json.dumps({"kind": kind, "time": time.time_ns() // 1_000_000, **entry}, ensure_ascii=True))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_suffix(".write.lock")), self.path.open("ab+") as stream:
            stream.seek(0)
            whole = stream.read().rfind(b"\n") + 1
            stream.truncate(whole)
            stream.write(line.encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())


def rounded(value: float) -> float:
    """A number with six significant digits, as in metrics/; more are not readable in MLflow's tables.

    >>> rounded(0.73282442748), rounded(12)
    (0.732824, 12.0)
    """
    return float(f"{value:.6g}")


def journals(root: Path) -> list[Journal]:
    """All journals of the repository, oldest first."""
    paths = (home_of(root) / ".tracking").glob("*.jsonl")
    return [Journal(root, path.stem) for path in sorted(paths, key=lambda path: path.lstat().st_mtime)]


def _whole(entry: dict[str, Any]) -> dict[str, Any]:
    """Check that a beginning has everything for creating a run; raises KeyError or TypeError otherwise."""
    kinds = {"id": str, "experiment": str, "name": str, "time": int, "params": dict, "tags": dict, "dataset": dict}
    return _with(entry, kinds)


def _with(entry: dict[str, Any], kinds: Mapping[str, type]) -> dict[str, Any]:
    for key, kind in kinds.items():
        if not isinstance(entry[key], kind):
            raise TypeError(key)
    return entry
