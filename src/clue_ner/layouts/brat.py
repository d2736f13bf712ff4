"""brat's standoff format: a folder of texts (``.txt``), each with its annotations (``.ann``).

A document is one sentence, or with the option ``split: lines`` each of its lines is one. Offsets are code points, end
exclusive. A text without ``.ann`` is unlabelled. Discontinuous entities (of several parts) are refused.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from clue_ner.common.errors import SourceError
from clue_ner.layouts._check import Record
from clue_ner.layouts._recognise import Sample
from clue_ner.layouts._source import HEAD, Raw, RawEntity, Source, refuse_other_files, short
from clue_ner.layouts._write import Target

TITLE = "brat's standoff files"
SUFFIXES = ()
FOLDER = True
OPTIONS = ("split",)
WANTED = (
    "wanted: lines such as `T1<tab>name 0 3<tab>林若溪` in each .ann, beside a .txt of the same name; "
    "docs/data.md has the layout. Fix the files and run again"
)
OTHERS = "annotations that are no entities (relations, events, attributes, notes)"

_ENTITY = re.compile(r"(T\d+\S*)\t(\S+) ([\d ;]+)(?:\t(.*))?")
_SPAN = re.compile(r"(\d{1,18}) (\d{1,18})")
_OTHER = re.compile(r"[REAMN#*]")


def recognise(sample: Sample) -> str | None:
    """A folder with ``.ann`` files."""
    if sample.path.is_dir() and any(sample.path.glob("*.ann")):
        return "a folder with .ann files"
    return None


def read(source: Source) -> Iterator[Raw]:
    """The documents, or their lines, sorted by file name."""
    lines = source.options.get("split") == "lines"
    folder = source.path
    if not folder.is_dir():
        raise SourceError(f"{source.name}: no folder; a corpus of brat is one, with .txt and .ann files in it")
    texts = sorted(folder.glob("*.txt"))
    if not texts:
        raise SourceError(f"{source.name}: no .txt file in it; name the folder that has the .txt and .ann files")
    for path in sorted(folder.glob("*.ann")):
        if not path.with_suffix(".txt").is_file():
            source.problems.add(f"{path}: there is no {path.stem}.txt beside it")
    source.records = len(texts)
    for number, path in enumerate(texts, 1):
        document = _document(path, source)
        if document is None:
            continue
        text, entities = document
        source.names[number] = str(path)
        if not lines:
            yield Raw(number, path.stem, text, entities)
            continue
        yield from _lines(number, path, text, entities, source)


def write(records: Iterable[Record], target: Target) -> None:
    """Writes a document for each sentence, named by its number, and ``annotation.conf`` with the types."""
    types: set[str] = set()
    for number, record in enumerate(records, 1):
        text = record.sentence.text
        target.leaves_out(record, ids=True, scores=True)
        name = target.path / f"{number:07}"
        _put(name.with_suffix(".txt"), text)
        if record.labelled:
            lines = []
            for index, entity in enumerate(record.sentence.entities, 1):
                surface = _on_one_line(entity.surface(text))
                lines.append(f"T{index}\t{entity.type} {entity.start} {entity.end}\t{surface}\n")
                types.add(entity.type)
            _put(name.with_suffix(".ann"), "".join(lines))
    _put(
        target.path / "annotation.conf",
        "\n".join(["[entities]", *sorted(types), "[relations]", "[events]", "[attributes]", ""]),
    )


def _on_one_line(surface: str) -> str:
    return surface.replace("\r", " ").replace("\n", " ")


def _put(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        stream.write(text)


def _document(path: Path, source: Source) -> tuple[str, list[RawEntity] | None] | None:
    """Text and entities of a document; None if one of its files cannot be read, which is reported."""
    text = _content(path, source)
    annotations = path.with_suffix(".ann")
    if text is None:
        return None
    if not annotations.exists():
        return text, None
    content = _content(annotations, source)
    if content is None:
        return None
    entities = []
    for number, line in enumerate(content.removeprefix("\ufeff").split("\n"), 1):
        line = line.removesuffix("\r")
        if not line.strip():
            continue
        if _OTHER.match(line):
            source.counts[OTHERS] += 1
            continue
        entity = _entity(line, text)
        if isinstance(entity, str):
            source.problems.add(f"{annotations}:{number}: {entity}")
        else:
            entities.append(entity)
    return text, entities


def _entity(line: str, text: str) -> RawEntity | str:
    """The entity of a line, or what is wrong with the line."""
    found = _ENTITY.fullmatch(line)
    if found is None:
        return f"wanted an annotation such as T1<tab>name 0 3<tab>林若溪, found {short(line)}"
    name, type_, place, surface = found.groups()
    if ";" in place:
        return (
            f"{name}: {type_} {place} is an entity of several parts, which cannot be learned; "
            "make it one, or an entity of each part"
        )
    span = _SPAN.fullmatch(place)
    if span is None:
        return f"{name}: wanted its start and end, found {short(place)}"
    start, end = int(span[1]), int(span[2])
    is_surface = surface is None or surface == _on_one_line(text[start:end])
    return start, end, type_, None if is_surface else surface, None


def _lines(number: int, path: Path, text: str, entities: list[RawEntity] | None, source: Source) -> Iterator[Raw]:
    """The non-blank lines of a document, each with its entities."""
    begin = 0
    left = sorted(entities or ())
    for index, line in enumerate(text.split("\n")):
        end = begin + len(line)
        inside = [entity for entity in left if begin <= entity[0] and entity[1] <= end]
        left = [entity for entity in left if entity not in inside]
        for start, stop, type_, _, _ in [entity for entity in left if entity[0] < end]:
            source.problems.add(f"{path.with_suffix('.ann')}: {type_} {start} {stop} goes over the end of a line")
        left = [entity for entity in left if entity[0] >= end]
        if line.strip() or inside:
            spans = [(start - begin, stop - begin, *rest) for start, stop, *rest in inside]
            yield Raw(number, f"{path.stem}-{index}", line.removesuffix("\r"), None if entities is None else spans)  # type: ignore[arg-type]
        begin = end + 1
    for start, stop, type_, _, _ in left:
        source.problems.add(f"{path.with_suffix('.ann')}: {type_} {start} {stop} is not in the text")


def _content(path: Path, source: Source) -> str | None:
    """The text of a file with unchanged line ends; None if it is not UTF-8, which is reported."""
    try:
        content = path.read_bytes()
        refuse_other_files(content[:HEAD], str(path))
        return content.decode("utf-8")
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError as error:
        source.problems.add(f"{path}: not UTF-8 ({error.reason} at byte {error.start + 1})")
        return None
