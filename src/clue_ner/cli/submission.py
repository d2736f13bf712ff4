"""CLUE's submission format: ``{"id": …, "label": {type: {surface: [[start, end], …]}}}`` per line, end inclusive."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from clue_ner.cli.records import Line
from clue_ner.common.json_lines import to_json
from clue_ner.common.problems import refuse
from clue_ner.core.entities import Entity, Sentence

Id = int | str


def identified(lines: Iterable[Line]) -> dict[Id, str]:
    """The text of each id, in order; a line without id gets its line number, from 0 as in CLUE.

    Raises CorpusError with all lines that could not be read, whose id is not an integer or a string, or whose id
    occurred before, because a submission must be complete.
    """
    texts: dict[Id, str] = {}
    wrong: list[str] = []
    for number, line in enumerate(lines):
        sentence_id = _number(line.record.get("id", number))
        if line.error is not None:
            wrong.append(line.error)
        elif not _is_id(sentence_id):
            wrong.append(f"{line.where}: id is {sentence_id!r}, wanted a whole number or a string")
        elif sentence_id in texts:
            wrong.append(f"{line.where}: id {sentence_id!r} also occurs in an earlier line; wanted each id once")
        else:
            texts[sentence_id] = line.text
    refuse(wrong, "fix these lines and run again")
    return texts


def identified_sentences(sentences: Iterable[Sentence]) -> dict[Id, str]:
    """The text of each id of a split of the corpus, in order."""
    return {_number(sentence.id): sentence.text for sentence in sentences}


def render(texts: Mapping[Id, str], entities: Iterable[Iterable[Entity]], types: Collection[str]) -> str:
    """The submission for ``texts`` with the entities of each, in order; validated."""
    records = (
        {"id": i, "label": _label(text, of_text)} for (i, text), of_text in zip(texts.items(), entities, strict=True)
    )
    content = "".join(to_json(record) + "\n" for record in records)
    validate(content, texts, types)
    return content


def validate(content: str, texts: Mapping[Id, str], types: Collection[str]) -> None:
    """Check a submission for ``texts`` by id: each id once, known types, each surface ``text[start : end + 1]``.

    Raises CorpusError with the problems by line.
    """
    wrong: list[str] = []
    seen: set[Id] = set()
    for number, line in enumerate(content.removesuffix("\n").split("\n"), 1):
        try:
            record = json.loads(line)
        except ValueError as error:
            wrong.append(f"line {number}: not JSON ({error})")
            continue
        if not isinstance(record, dict) or record.keys() != {"id", "label"} or not _is_id(record["id"]):
            wrong.append(f'line {number}: wanted {{"id": …, "label": …}} and nothing else')
        elif record["id"] not in texts:
            wrong.append(f"line {number}: id {record['id']!r} was not in the input")
        elif record["id"] in seen:
            wrong.append(f"line {number}: id {record['id']!r} occurs twice")
        else:
            seen.add(record["id"])
            wrong += (f"line {number}: {p}" for p in _wrong_label(record["label"], texts[record["id"]], types))
    wrong += (f"id {missing!r} has no line" for missing in texts if missing not in seen)
    refuse(wrong, "wanted CLUE's submission format; docs/cli.md describes it")


def _label(text: str, entities: Iterable[Entity]) -> dict[str, dict[str, list[list[int]]]]:
    label: dict[str, dict[str, list[list[int]]]] = {}
    for entity in sorted(entities):
        surfaces = label.setdefault(entity.type, {})
        surfaces.setdefault(entity.surface(text), []).append([entity.start, entity.end - 1])
    return label


def _wrong_label(label: Any, text: str, types: Collection[str]) -> Iterator[str]:
    if not isinstance(label, dict) or not all(isinstance(surfaces, dict) for surfaces in label.values()):
        yield "label: wanted {type: {surface: [[start, end], …]}}"
        return
    for type_, surfaces in label.items():
        if type_ not in types:
            yield f"label.{type_}: unknown type; there are {', '.join(sorted(types))}"
        for surface, spans in surfaces.items():
            if not isinstance(spans, list) or not spans or not all(_is_span(span, text) for span in spans):
                wanted = f"[[start, end], …] with 0 <= start <= end < {len(text)}"
                yield f"label.{type_}.{surface}: {spans!r}, wanted {wanted}"
                continue
            for start, last in spans:
                if text[start : last + 1] != surface:
                    yield f"label.{type_}.{surface}: the text has {text[start : last + 1]!r} at [{start}, {last}]"


def _is_span(span: Any, text: str) -> bool:
    pair = isinstance(span, list) and len(span) == 2 and all(type(offset) is int for offset in span)
    return pair and 0 <= span[0] <= span[1] < len(text)


def _is_id(value: Any) -> bool:
    return type(value) in (int, str)


def _number(value: Any) -> Any:
    """Converts a string like "12" to the integer, as in CLUE's own files."""
    return int(value) if isinstance(value, str) and re.fullmatch("0|[1-9][0-9]{0,17}", value) else value
