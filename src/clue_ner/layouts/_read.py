"""Reading a file of any layout."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from clue_ner.common.errors import ParamsError
from clue_ner.common.problems import Problems
from clue_ner.core import plugins
from clue_ner.core.plugins import AUTO, LAYOUTS, layout_options, wrong_options
from clue_ner.layouts._check import Record, checked
from clue_ner.layouts._offsets import described, explanation
from clue_ner.layouts._recognise import layout_module, recognised
from clue_ner.layouts._source import Source


class Reading:
    """A file to read; each iteration starts at its beginning."""

    def __init__(self, path: Path, layout: str, reason: str, options: Mapping[str, Any], name: str) -> None:
        self.path = path
        self.layout = layout
        self.reason = reason
        """why it was recognised as this layout"""
        self._module = layout_module(layout)
        self.source = Source(name, path, options)

    @property
    def counts(self) -> Counter[str]:
        """How often something was left out or changed on reading, by description."""
        return self.source.counts

    @property
    def problems(self) -> Problems:
        """The problems that were found."""
        return self.source.problems

    def __iter__(self) -> Iterator[Record]:
        """The records; raises CorpusError at the end if any was wrong."""
        yield from self.records()
        refuse_all([self])

    def records(self, prefix: str = "", first: int = 0) -> Iterator[Record]:
        """The valid records; ``problems`` has what is wrong with the others.

        With ``prefix``, a record without an id gets the prefix and its number, counted from ``first``, as id.
        """
        self.source = self.source.again()
        return checked(self._module.read(self.source), self.source, prefix, first)

    def spans(self) -> Iterator[tuple[str, int, int, str | None]]:
        """The text, start and end as in the file, and surface (or None) of each misplaced entity."""
        for raw in self._module.read(self.source.again()):
            yield from ((raw.text, start, end, surface) for start, end, _, surface, _ in raw.entities or ())

    @property
    def wanted(self) -> str:
        """The last sentence of the error for wrong records: what is expected."""
        return str(self._module.WANTED)


def read(
    path: Path, layout: str = "auto", options: Mapping[str, Any] | None = None, name: str | None = None
) -> Reading:
    """The file (in some layouts a folder) at ``path``, to be read as a stream of records.

    ``layout`` is a layout's name, or ``auto`` to recognise it; ``options`` are those of ``corpus.options``; ``name`` is
    the file's name in messages. Iterating raises SourceError if the file cannot be read, CorpusError if it has errors.
    This function raises CorpusError if no layout or several are recognised, ParamsError for a wrong option.
    """
    options, reason = options or {}, "named"
    if wrong := list(wrong_options(layout, options)):
        raise ParamsError("; ".join(wrong))
    if layout == AUTO:
        layout, reason = recognised(path, options)
        options = {option: value for option, value in options.items() if option in layout_options(layout)}
    return Reading(path, layout, reason, options, name or str(path))


def refuse_all(readings: Iterable[Reading]) -> None:
    """Raise CorpusError with the problems of all ``readings``, if there are any."""
    readings, problems = list(readings), Problems()
    for reading in readings:
        problems.join(reading.problems)
    if not problems.count:
        return
    advice = next(reading.wanted for reading in readings if reading.problems.count)
    if any(reading.source.misplaced for reading in readings):
        given = readings[0].source.offsets
        way = explanation((span for reading in readings for span in reading.spans()), given)
        if way is not None and "offsets" in layout_options(readings[0].layout):
            advice = f"All offsets fit with corpus.options: {described(way)}. {advice}"
    problems.refuse(advice)


def suffixes(layout: str) -> tuple[str, ...]:
    """The usual extensions of files of this layout; for ``auto``, of all layouts."""
    names = plugins.names(LAYOUTS) if layout == AUTO else [layout]
    return tuple(dict.fromkeys(end for name in names for end in plugins.literal(LAYOUTS, name, "SUFFIXES", ())))
