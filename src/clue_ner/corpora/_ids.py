"""The ids of a split, which must be unique."""

from array import array

from clue_ner.common.problems import SHOWN
from clue_ner.layouts import Record, Source


class SplitIds:
    """The ids of a split so far and their places; takes well below 100 bytes per sentence in addition to the ids."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._ids: list[str] = []
        self._lines = array("q")
        self._files: list[tuple[int, Source]] = []
        """each file and the number of its first record"""
        self._source: Source | None = None

    def add(self, record: Record, source: Source) -> None:
        """Add the next record's id; a duplicate is reported to ``source``."""
        found = record.sentence.id
        if source is not self._source:
            self._source = source
            self._files.append((len(self._ids), source))
        if found in self._seen:
            first = f" of {self._place(found)}" if source.problems.count < SHOWN else ""
            source.wrong(record.line, f"id {found!r} is that{first} already; ids are unique in a split")
        self._seen.add(found)
        self._ids.append(found)
        self._lines.append(record.line)

    def _place(self, sentence_id: str) -> str:
        """The place of the first record with this id."""
        index = self._ids.index(sentence_id)
        source = next(source for first, source in reversed(self._files) if first <= index)
        return source.where(self._lines[index])
