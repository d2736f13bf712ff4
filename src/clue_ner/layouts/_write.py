"""Writing a file of any layout, completely or not at all; what the layout cannot represent is counted."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from clue_ner.common.errors import CorpusError, ParamsError
from clue_ner.common.files import atomic_file, atomic_folder
from clue_ner.common.problems import Problems
from clue_ner.core import plugins
from clue_ner.core.entities import Entity
from clue_ner.core.plugins import LAYOUTS, wrong_options
from clue_ner.layouts._check import Record
from clue_ner.layouts._offsets import Offsets
from clue_ner.layouts._recognise import layout_module


class Target:
    """A file or folder to write, what was left out, and what the layout cannot represent."""

    def __init__(self, path: Path, options: Mapping[str, Any], lossy: bool, where: Callable[[int], str]) -> None:
        self.path = path
        """where to write: nothing exists there yet, or it is an empty folder"""
        self.options = options
        self.left_out: Counter[str] = Counter()
        """numbers of sentences, entities and values that are not in the file, by description"""
        self.problems = Problems()
        self._lossy = lossy
        self._where = where

    @property
    def offsets(self) -> Offsets:
        """The unit and base of the file's offsets."""
        return Offsets.of(self.options)

    @contextmanager
    def text(self) -> Iterator[TextIO]:
        """The file as a text stream."""
        with self.path.open("w", encoding="utf-8", newline="\n") as stream:
            yield stream

    def cannot(self, record: Record, what: str, times: int = 1) -> None:
        """Report that the layout cannot represent ``what`` of a record: as a problem, or if allowed as left out."""
        self.left_out[what] += times
        if not self._lossy:
            self.problems.add(f"{self._where(record.line)}: {what}")

    def leaves_out(self, record: Record, ids: bool = False, scores: bool = False) -> None:
        """Count the id and the scores of a record as left out if the layout cannot store them."""
        if ids and record.sentence.id:
            self.left_out["ids"] += 1
        if scores:
            self.left_out["scores"] += sum(entity.score is not None for entity in record.sentence.entities)

    def flat(self, record: Record, what: str) -> list[Entity]:
        """The entities without those that overlap a longer one; ``what`` is reported for each of those."""
        kept: list[Entity] = []
        for entity in sorted(record.sentence.entities, key=lambda entity: (entity.start, -entity.end, entity.type)):
            if kept and entity.start < kept[-1].end:
                self.cannot(record, what)
            else:
                kept.append(entity)
        return kept


def write(
    path: Path,
    records: Iterable[Record],
    layout: str,
    options: Mapping[str, Any] | None = None,
    lossy: bool = False,
    where: Callable[[int], str] = "sentence {}".format,
) -> Counter[str]:
    """Write a file (in some layouts a folder) at ``path``, completely or not at all; returns counts of omissions.

    ``where`` gives the name of a record in messages. If the layout cannot represent something, CorpusError lists up to
    twenty cases; with ``lossy`` they are left out and counted. A folder must not exist yet, or be empty.
    """
    if wrong := list(wrong_options(layout, options or {})):
        raise ParamsError("; ".join(wrong))
    module = layout_module(layout)
    folder = plugins.literal(LAYOUTS, layout, "FOLDER", default=False)
    if folder and (path.is_file() or (path.is_dir() and any(path.iterdir()))):
        raise CorpusError(f"{path}: already exists; {layout} writes a folder: name a new one")
    with (atomic_folder if folder else atomic_file)(path) as place:
        target = Target(place, options or {}, lossy, where)
        module.write(records, target)
        target.problems.refuse(
            f"{layout} cannot represent this; write another layout, or leave it out with --lossy, which counts it"
        )
    return +target.left_out
