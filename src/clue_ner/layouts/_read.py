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
    """A file to be read, once or more often, from its beginning each time."""

    def __init__(self, path: Path, layout: str, reason: str, options: Mapping[str, Any], name: str) -> None:
        self.path = path
        self.layout = layout
        self.reason = reason
        """why it is taken to have this layout"""
        self._module = layout_module(layout)
        self.source = Source(name, path, options)

    @property
    def counts(self) -> Counter[str]:
        """What has been left out or read otherwise than it stands there, by what it is."""
        return self.source.counts

    @property
    def problems(self) -> Problems:
        """What has been found wrong."""
        return self.source.problems

    def __iter__(self) -> Iterator[Record]:
        """The records; at the end, CorpusError if any was wrong."""
        yield from self.records()
        refuse_all([self])

    def records(self, prefix: str = "", first: int = 0) -> Iterator[Record]:
        """The records that are right; ``problems`` has what is wrong with the others.

        With ``prefix``, a record without an id is called by that and its number, counted from ``first``.
        """
        self.source = self.source.again()
        return checked(self._module.read(self.source), self.source, prefix, first)

    def spans(self) -> Iterator[tuple[str, int, int, str | None]]:
        """Of each entity the text, start and end as the file has them, and its surface if the file has that."""
        for raw in self._module.read(self.source.again()):
            yield from ((raw.text, start, end, surface) for start, end, _, surface, _ in raw.entities or ())

    @property
    def wanted(self) -> str:
        """What a message about wrong records ends with."""
        return str(self._module.WANTED)


def read(
    path: Path, layout: str = "auto", options: Mapping[str, Any] | None = None, name: str | None = None
) -> Reading:
    """The file (of some layouts a folder) at ``path``, to be read as a stream of records.

    ``layout`` is a layout's name, or ``auto`` to recognise it; ``options`` are as ``corpus.options``; ``name`` is what
    messages call the file. Iterating raises SourceError if it cannot be read, CorpusError if something in it is wrong;
    this function raises CorpusError if no layout or more than one is recognised, ParamsError for a wrong option.
    """
    options, reason = options or {}, "named"
    if wrong := list(wrong_options(layout, options)):
        raise ParamsError("; ".join(wrong))
    if layout == AUTO:
        layout, reason = recognised(path, options)
        options = {option: value for option, value in options.items() if option in layout_options(layout)}
    return Reading(path, layout, reason, options, name or str(path))


def refuse_all(readings: Iterable[Reading]) -> None:
    """Raise CorpusError with the problems that were found in all of ``readings``, if there are any."""
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
            advice = f"All offsets fit if they are counted as corpus.options: {described(way)} says. {advice}"
    problems.refuse(advice)


def suffixes(layout: str) -> tuple[str, ...]:
    """How the names of files are likely to end that have this layout; of ``auto``, any."""
    names = plugins.names(LAYOUTS) if layout == AUTO else [layout]
    return tuple(dict.fromkeys(end for name in names for end in plugins.literal(LAYOUTS, name, "SUFFIXES", ())))
