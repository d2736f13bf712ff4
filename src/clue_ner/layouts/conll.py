"""Columns, as in CoNLL's shared tasks: a token and its tag on each line, a blank line between sentences.

Columns are separated by tabs, or by spaces on a line without a tab. The first column is the token and the last the tag,
unless options name others. ``-DOCSTART-`` lines and comments (``# …`` without a tag) are skipped. Tokens are
characters or words; the offsets of entities refer to the text that they form (see ``_tags.joined``).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from clue_ner.common.errors import CorpusError
from clue_ner.core.schemes import ALIASES, SCHEMES
from clue_ner.layouts._check import Record
from clue_ner.layouts._recognise import Sample
from clue_ner.layouts._source import Raw, Source, short
from clue_ner.layouts._tags import ADVICE, LENIENT, TAG, Tags, chosen, entities_of, illegal, joined
from clue_ner.layouts._write import Target

TITLE = "columns of tokens and tags (CoNLL)"
SUFFIXES = (".conll", ".bio", ".bmes", ".bioes", ".iob", ".iob2", ".bmeso", ".txt", ".tsv", ".train", ".dev", ".test")
OPTIONS = ("scheme", "tags", "tokens", "token", "tag")
WANTED = (
    "wanted: a token and its tag on each line, a blank line between sentences; docs/data.md has the layout. "
    "Fix the lines and run again"
)
COMMENTS = "comment lines"
MARKS = "document marks"

_BLANK = " \t\r"
_MARK = "-DOCSTART-"


class _Columns(NamedTuple):
    """Numbers of columns, from 1, or from the last, which is -1."""

    token: int
    tag: int


class _Sentence(NamedTuple):
    lines: list[int]
    tokens: list[str]
    tags: list[str]


def recognise(sample: Sample) -> str | None:
    """Lines with two or more columns, of which one is a tag."""
    columns, seen = _columns(sample.options), 0
    for line in sample.lines:
        if line.strip() and not line.startswith(("#", _MARK)):
            if _token_and_tag(line.rstrip(_BLANK), columns) is None:
                return None
            seen += 1
    place = "the last column" if columns.tag == -1 else f"column {columns.tag}"
    return f"lines of tokens, each with a tag such as B-PER in {place}" if seen else None


def read(source: Source) -> Iterator[Raw]:
    """The sentences of a file, which is read twice: first to determine the tag scheme."""
    if 0 in _columns(source.options):
        raise CorpusError(f"{source.name}: there is no column 0; the first is 1, the last -1")
    everything = Tags()
    for _, tokens, tags in _sentences(source.again()):
        everything.add(tokens, tags)
    scheme, problem = chosen(everything, source)
    if scheme is None:
        source.problems.add(f"{source.name}: {problem}")
        return
    lenient = source.options.get("tags") == "lenient"
    characters = {"characters": True, "words": False}.get(source.options.get("tokens", ""), everything.characters)
    for lines, tokens, tags in _sentences(source):
        wrong = list(illegal(scheme, tags))
        if wrong and not lenient:
            for index, why in wrong:
                source.wrong(lines[index], f"{why}; {ADVICE}")
            continue
        source.counts[LENIENT] += bool(wrong)
        text, starts = joined(tokens, characters)
        yield Raw(lines[0], None, text, entities_of(scheme, tokens, tags, starts, lenient))


def write(records: Iterable[Record], target: Target) -> None:
    """Writes one line for each character with its tag, separated by a space."""
    asked = target.options.get("scheme", "auto")
    scheme = SCHEMES["BIO" if asked == "auto" else ALIASES.get(asked, asked)]
    with target.text() as out:
        for record in records:
            text = record.sentence.text
            if "\n" in text or "\t" in text:
                target.cannot(record, "a tab or a line end in a text")
                continue
            if not record.labelled:
                target.cannot(record, "a sentence that is not labelled")
                continue
            target.leaves_out(record, ids=True, scores=True)
            entities = target.flat(record, "entities that overlap")
            tags = scheme.encode([(entity.start, entity.end, entity.type) for entity in entities], len(text))
            out.write("".join(f"{char} {tag}\n" for char, tag in zip(text, tags)) + "\n")


def _sentences(source: Source) -> Iterator[_Sentence]:
    columns = _columns(source.options)
    sentence = _Sentence([], [], [])
    damaged = False
    for number, raw in source.lines():
        try:
            line = raw.decode("utf-8").rstrip(_BLANK)
        except UnicodeDecodeError as error:
            source.wrong(number, f"not UTF-8 ({error.reason} at byte {error.start + 1})")
            damaged = True
            continue
        if not line.strip() or line.startswith(_MARK):
            source.counts[MARKS] += line.startswith(_MARK)
            if sentence.lines and not damaged:
                yield sentence
            sentence, damaged = _Sentence([], [], []), False
            continue
        if (found := _token_and_tag(line, columns)) is not None:
            sentence.lines.append(number)
            sentence.tokens.append(found[0])
            sentence.tags.append(found[1])
        elif line.startswith("# ") and not sentence.lines:
            source.counts[COMMENTS] += 1
        else:
            damaged = True
            source.wrong(number, f"wanted a token and a tag (O, or as B-PER), found {short(line)}")
    if sentence.lines and not damaged:
        yield sentence


def _fields(line: str) -> list[str]:
    """The columns of a line; a token may itself be a space, before the tab or space that ends the column.

    >>> _fields("EU NNP  B-ORG"), _fields(" \\tO"), _fields("  O")
    (['EU', 'NNP', 'B-ORG'], [' ', 'O'], [' ', 'O'])
    """
    if "\t" in line:
        return line.split("\t")
    if line.startswith("  "):
        return [" ", *line.split(" ")[2:]]
    return [field for field in line.split(" ") if field]


def _columns(options: Mapping[str, Any]) -> _Columns:
    return _Columns(options.get("token", 1), options.get("tag", -1))


def _token_and_tag(line: str, columns: _Columns) -> tuple[str, str] | None:
    """What a line has in these columns; None if it has no token or no tag there."""
    fields = _fields(line)
    try:
        token, tag = (fields[column - 1 if column > 0 else column] for column in columns)
    except IndexError:
        return None
    tag = tag.strip(" ")
    return (token, tag) if len(fields) > 1 and token and TAG.fullmatch(tag) else None
