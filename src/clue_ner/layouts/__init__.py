"""Layouts of labelled files: each module reads and writes one layout, and is found by its name.

    reading = read(path, layout="auto", options={})      # opens the file only to recognise the layout
    for record in reading: ...                           # Record(sentence, labelled, line), as a stream
    reading.layout, reading.reason, reading.counts       # the layout, why it was chosen, what was left out

    left_out = write(path, records, layout, options={})  # completely or not at all; returns counts of what was left out

At its end the loop raises CorpusError with up to twenty problems, each with file and line. A module defines

    TITLE         name of the layout in the description of a corpus
    SUFFIXES      usual extensions of such files
    OPTIONS       names of its options; _options.py has their values
    WANTED        last sentence of the error for wrong records: what is expected
    recognise(sample) -> str | None     the reason why a file seems to have this layout; None if it does not
    read(source) -> Iterator[Raw]       the unchecked records; unreadable ones are reported with ``source.wrong``
    write(records, target)              writes ``target.path``; ``target.cannot`` reports what it cannot represent
    FOLDER                              True if a corpus file of this layout is a folder
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
