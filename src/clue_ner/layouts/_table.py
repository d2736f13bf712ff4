"""Rows of tables and data sets: a text with its entities, or tokens with their tags."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from clue_ner.layouts._json import unique
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
KEYS_NOT_READ = "keys of entities that are not read"

Rows = Callable[[Source], Iterable[tuple[int, Mapping[str, Any]]]]
"""The rows of a source with their numbers; each call starts at the first row. Problems are reported to the source."""


def raws(source: Source, columns: Sequence[str], rows: Rows, names: Mapping[str, Sequence[str]]) -> Iterator[Raw]:
    """The sentences of a table; ``names`` maps columns of integers, and ``entities.label``, to class names.

    A table without columns of texts and entities must have columns of tokens and tags; texts only are unlabelled.
    """
    text = source.options.get("text", "text")
    entities = source.options.get("entities", "entities")
    tagged = tagged_columns(source.options, columns)
    if text in columns and "entities" in source.options and entities not in columns:
        source.problems.add(
            f"{source.name}: no column {entities!r}; it has {', '.join(columns)}; name it with option entities"
        )
        return
    if text in columns and "token_column" not in source.options and (entities in columns or tagged is None):
        used = {"id", text, entities}
        found = _with_text(source, rows, text, entities, names)
    elif tagged is not None:
        tokens, tags = tagged
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


def tagged_columns(options: Mapping[str, Any], columns: Collection[str]) -> tuple[str, str] | None:
    """The columns of tokens and tags; None if the table lacks one of them."""
    tokens = next((name for name in _named_or(options.get("token_column"), TOKENS) if name in columns), None)
    tags = next((name for name in _named_or(options.get("tag_column"), TAGS) if name in columns), None)
    return None if tokens is None or tags is None else (tokens, tags)


def spans_of(value: Any, types: Sequence[str], counts: Counter[str]) -> list[RawEntity]:
    """The entities of a list of objects or of triples, of an object of lists, or of a JSON text of one of these.

    Older versions of the library datasets store a list of objects as an object of lists. ``types`` are the names of
    integer types; unread keys are added to ``counts``. Raises ValueError with what is wrong.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value, object_pairs_hook=unique)
        except (ValueError, RecursionError) as error:
            raise ValueError(f": not JSON ({error}), found {short(value)}") from None
    if isinstance(value, Mapping) and value and all(isinstance(many, list) for many in value.values()):
        if len({len(many) for many in value.values()}) > 1:
            raise ValueError(f": wanted lists of one length, found {short(value)}")
        value = [dict(zip(value, values)) for values in zip(*value.values())]
    if not isinstance(value, list | tuple):
        raise ValueError(f": wanted a list, found {short(value)}")
    return [_span(number, entity, types, counts) for number, entity in enumerate(value)]


def _span(number: int, entity: Any, types: Sequence[str], counts: Counter[str]) -> RawEntity:
    if isinstance(entity, list | tuple) and len(entity) == 3:
        entity = dict(zip(("start", "end", "type"), entity))
    if not isinstance(entity, Mapping):
        raise ValueError(f".{number}: wanted an object or [start, end, type], found {short(entity)}")
    counts[KEYS_NOT_READ] += len(entity.keys() - _ALL_KEYS)

    def value(key: str, kinds: tuple[type, ...], what: str) -> Any:
        found = next((entity[name] for name in KEYS[key] if entity.get(name) is not None), None)
        if type(found) not in kinds:
            raise ValueError(f".{number}.{key}: wanted {what}, found {short(found)}")
        return found

    start, end = (value(key, (int,), "a whole number") for key in ("start", "end"))
    score = value("score", (float, int, type(None)), "a number")
    if score is not None and not 0 <= score <= 1:
        raise ValueError(f".{number}.score: wanted a number from 0 to 1, found {short(score)}")
    surface = value("text", (str, type(None)), "a text")
    type_ = value("type", (str, int) if types else (str,), "a text")
    if isinstance(type_, int):
        if not 0 <= type_ < len(types):
            raise ValueError(f".{number}.type: wanted the number of one of {len(types)} types, found {type_}")
        type_ = types[type_]
    return start, end, type_, surface, None if score is None else float(score)


def _named_or(asked: str | None, usual: Sequence[str]) -> Sequence[str]:
    return usual if asked is None else [asked]


def _id(row: Mapping[str, Any]) -> str | None:
    found = row.get("id")
    return None if found is None or found == "" else str(found)


def _with_text(
    source: Source, rows: Rows, text: str, entities: str, names: Mapping[str, Sequence[str]]
) -> Iterator[Raw]:
    types = next((names[key] for key in (f"{entities}.{name}" for name in KEYS["type"]) if key in names), ())
    for number, row in rows(source):
        value, listed = row.get(text), row.get(entities)
        if not isinstance(value, str):
            source.wrong(number, f"{text}: wanted a text, found {short(value)}")
            continue
        try:
            yield Raw(number, _id(row), value, None if listed in (None, "") else spans_of(listed, types, source.counts))
        except ValueError as error:
            source.wrong(number, f"{entities}{error}")


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
