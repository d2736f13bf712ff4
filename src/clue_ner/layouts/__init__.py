"""Layouts of labelled files: one module a layout, found by its name; it reads and writes. Adding one is adding a file.

    reading = read(path, layout="auto", options={})      # opens nothing yet, except to recognise the layout
    for record in reading: ...                           # Record(sentence, labelled, line); streams
    reading.layout, reading.reason, reading.counts       # what it is and why, what was left out

    left_out = write(path, records, layout, options={})  # whole or not at all; what was left out, counted

At its end the loop raises CorpusError with up to twenty problems, each with file and line. A module has

    TITLE         what the layout is called in a description of a corpus
    SUFFIXES      names of files that are likely to have it end so
    OPTIONS       the options that it takes; _options.py has their values
    WANTED        what a message about wrong records ends with
    recognise(sample) -> str | None     why a file looks like this layout; None if it does not
    read(source) -> Iterator[Raw]       the records, not checked; what cannot be read is noted with ``source.wrong``
    write(records, target)              writes ``target.path``; what it cannot say is noted with ``target.cannot``
    FOLDER                              True if that is a folder
"""

from clue_ner.layouts._check import Record, checked
from clue_ner.layouts._json import explain, objects
from clue_ner.layouts._offsets import ALL, Offsets, described
from clue_ner.layouts._read import Reading, read, refuse_all, suffixes
from clue_ner.layouts._recognise import is_folder_of, recognised
from clue_ner.layouts._source import Raw, RawEntity, Source
from clue_ner.layouts._write import Target, write

__all__ = [
    "ALL",
    "Offsets",
    "Raw",
    "RawEntity",
    "Reading",
    "Record",
    "Source",
    "Target",
    "checked",
    "described",
    "explain",
    "is_folder_of",
    "objects",
    "read",
    "recognised",
    "refuse_all",
    "suffixes",
    "write",
]
