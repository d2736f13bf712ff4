"""Rows of tables and data sets: a text with its entities, or tokens with their tags."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from clue_ner.layouts._source import Raw, RawEntity, Source, short
from clue_ner.layouts._tags import ADVICE, LENIENT, TAG, Tags, chosen, entities_of, illegal, joined

OPTIONS = ("text", "entities", "token_column", "tag_column")
TOKENS, TAGS = ("tokens", "words"), ("ner_tags", "tags", "labels")
"""Names of the columns of tokens and tags that are tried if no option names them."""
KEYS = {
    "type": ("type", "label"),
    "start": ("start", "start_offset"),
    "end": ("end", "end_offset"),
    "text": ("text", "entity"),
    "score": ("score",),
}
"""Accepted names of the values of an entity."""
_ALL_KEYS = {"id", *(name for names in KEYS.values() for name in names)}
NOT_READ = "columns that are not read"

Rows = Callable[[Source], Iterable[tuple[int, Mapping[str, Any]]]]
"""The rows of a source with their numbers; each call starts at the first row. Problems are reported to the source."""


def raws(source: Source, columns: Sequence[str], rows: Rows, names: Mapping[str, Sequence[str]]) -> Iterator[Raw]:
    """The sentences of a table; ``names`` maps columns of integer tags to the names of the tags.

    A table without a column of texts must have columns of tokens and tags.
    """
    text = source.options.get("text", "text")
    entities = source.options.get("entities", "entities")
    tokens = _one(source.options.get("token_column"), TOKENS, columns)
    tags = _one(source.options.get("tag_column"), TAGS, columns)
    if text in columns and "token_column" not in source.options:
        used = {"id", text, entities}
        found = _with_text(source, rows, text, entities)
    elif tokens is not None and tags is not None:
        used = {"id", tokens, tags}
        found = _with_tokens(source, rows, tokens, tags, names.get(tags))
    else:
        source.problems.add(
            f"{source.name}: no column {text!r}, nor tokens with tags; it has {', '.join(columns) or 'none'}; "
            "name them with the options text and entities, or token_column and tag_column"
        )
        return
    source.counts[NOT_READ] += len(set(columns) - used)
    yield from found


def spans_of(value: Any) -> list[RawEntity]:
    """The entities of a list of objects; raises ValueError with what is wrong."""
    if not isinstance(value, list | tuple):
        raise ValueError(f"wanted a list, found {short(value)}")
    return [_span(number, entity) for number, entity in enumerate(value)]


def _span(number: int, entity: Any) -> RawEntity:
    if not isinstance(entity, Mapping):
        raise ValueError(f"{number}: wanted an object, found {short(entity)}")
    if unknown := sorted(set(map(str, entity)) - _ALL_KEYS):
        raise ValueError(f"{number}: unknown key {unknown[0]!r}")

    def value(key: str, kinds: tuple[type, ...], what: str) -> Any:
        found = next((entity[name] for name in KEYS[key] if entity.get(name) is not None), None)
        if type(found) not in kinds:
            raise ValueError(f"{number}.{key}: wanted {what}, found {short(found)}")
        return found

    start, end = (value(key, (int,), "a whole number") for key in ("start", "end"))
    score = value("score", (float, int, type(None)), "a number")
    if score is not None and not 0 <= score <= 1:
        raise ValueError(f"{number}.score: wanted a number from 0 to 1, found {short(score)}")
    surface = value("text", (str, type(None)), "a text")
    return start, end, value("type", (str,), "a text"), surface, None if score is None else float(score)


def _one(asked: str | None, usual: Sequence[str], columns: Sequence[str]) -> str | None:
    names = usual if asked is None else [asked]
    return next((name for name in names if name in columns), None)


def _id(row: Mapping[str, Any]) -> str | None:
    found = row.get("id")
    return None if found is None or found == "" else str(found)


def _with_text(source: Source, rows: Rows, text: str, entities: str) -> Iterator[Raw]:
    for number, row in rows(source):
        value, listed = row.get(text), row.get(entities)
        if not isinstance(value, str):
            source.wrong(number, f"{text}: wanted a text, found {short(value)}")
            continue
        try:
            yield Raw(number, _id(row), value, None if listed is None else spans_of(listed))
        except ValueError as error:
            source.wrong(number, f"{entities}.{error}")


def _with_tokens(source: Source, rows: Rows, tokens: str, tags: str, names: Sequence[str] | None) -> Iterator[Raw]:
    everything = Tags()
    for _, words, given, _ in _tagged(source.again(), rows, tokens, tags, names):
        everything.add(words, given or ())
    scheme, problem = chosen(everything, source)
    if scheme is None:
        source.problems.add(f"{source.name}: {problem}")
        return
    lenient = source.options.get("tags") == "lenient"
    characters = {"characters": True, "words": False}.get(source.options.get("tokens", ""), everything.characters)
    for number, words, given, row_id in _tagged(source, rows, tokens, tags, names):
        text, starts = joined(words, characters)
        if given is None:
            yield Raw(number, row_id, text, None)
            continue
        wrong = list(illegal(scheme, given))
        if wrong and not lenient:
            for index, why in wrong:
                source.wrong(number, f"{tags}.{index}: {why}; {ADVICE}")
            continue
        source.counts[LENIENT] += bool(wrong)
        yield Raw(number, row_id, text, entities_of(scheme, words, given, starts, lenient))


def _tagged(
    source: Source, rows: Rows, tokens: str, tags: str, names: Sequence[str] | None
) -> Iterator[tuple[int, list[str], list[str] | None, str | None]]:
    """The number, tokens, tags (None: unlabelled) and id of each valid row."""
    for number, row in rows(source):
        words, given = row.get(tokens), row.get(tags)
        if not isinstance(words, list) or not words or not all(isinstance(word, str) and word for word in words):
            source.wrong(number, f"{tokens}: wanted a list of texts, found {short(words)}")
        elif given is None:
            yield number, words, None, _id(row)
        elif not isinstance(given, list) or len(given) != len(words):
            source.wrong(number, f"{tags}: wanted a tag for each of {len(words)} tokens, found {short(given)}")
        else:
            named = [_named(tag, names) for tag in given]
            if None in named:
                wrong = short(given[named.index(None)])
                hint = "" if names or not isinstance(given[0], int) else ", and the file does not say what numbers mean"
                source.wrong(number, f"{tags}: wanted tags (O, or as B-PER), found {wrong}{hint}")
            else:
                yield number, words, [tag for tag in named if tag is not None], _id(row)


def _named(tag: Any, names: Sequence[str] | None) -> str | None:
    """The name of a tag; None if it is not a tag."""
    if names is not None and type(tag) is int:
        tag = names[tag] if 0 <= tag < len(names) else None
    return tag if isinstance(tag, str) and TAG.fullmatch(tag) else None
