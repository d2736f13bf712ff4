"""Label Studio's JSON: one array of tasks, as its full export and its minimal one (JSON-MIN) have them.

Of a task the annotation is read, not the predictions that it began with, unless option ``labels`` says otherwise. Older
versions count UTF-16 units: where the surface shows that, the offsets are converted, and counted.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from clue_ner.common.json_lines import to_json
from clue_ner.core.entities import Entity
from clue_ner.layouts._array import array
from clue_ner.layouts._check import Record
from clue_ner.layouts._offsets import PLAIN, Offsets
from clue_ner.layouts._recognise import Sample
from clue_ner.layouts._source import Raw, RawEntity, Source, short
from clue_ner.layouts._write import Target

TITLE = "Label Studio's JSON"
SUFFIXES = (".json",)
OPTIONS = ("text", "labels", "model_version", "from_name", "to_name", "offsets", "first", "ends")
WANTED = (
    'wanted: a JSON array of tasks as Label Studio exports them, {"data": {"text": …}, "annotations": [{"result": '
    '[…]}]}, or JSON-MIN, {"text": …, "label": [{"start": …, "end": …, "labels": […]}]}; docs/data.md has the layout. '
    "Fix the tasks and run again"
)
UTF16 = "entities whose offsets counted UTF-16 units, converted"
RESULTS = "results that are not labelled spans"
CANCELLED = "annotations that were skipped by their annotator"

_UTF16 = Offsets("utf16")
_ARRAY = re.compile(r"\s*\[\s*\{")
_FULL = re.compile(r'"data"\s*:\s*\{|"(annotations|predictions|completions)"\s*:\s*\[')
_MINIMAL = re.compile(r'"labels"\s*:\s*\[\s*"|"annotation_id"\s*:')
_NUMBER = re.compile("0|[1-9][0-9]{0,14}")
"""Ids that stay the same as numbers, also in a browser."""
_ELSEWHERE = ("hypertextlabels", "paragraphlabels")
"""Types of results whose spans are in HTML or in a dialogue, and not in a plain text."""


class _WrongError(Exception):
    """A problem with a task."""


def recognise(sample: Sample) -> str | None:
    """An array of objects with ``data``, or with a list of spans that have ``labels``."""
    if not _ARRAY.match(sample.begin):
        return None
    if _FULL.search(sample.begin):
        return "a JSON array of tasks with data or annotations"
    return "a JSON array of tasks with labels" if _MINIMAL.search(sample.begin) else None


def read(source: Source) -> Iterator[Raw]:
    """The tasks of a file."""
    for line, task in array(source):
        try:
            if not isinstance(task, dict):
                raise _WrongError(f"wanted an object, found {short(task)}")
            full = isinstance(task.get("data"), dict)
            data = task["data"] if full else task
            text = _text(data, source.options.get("text", "text"))
            results = _results(task, source) if full else _minimal(task)
            spans = _agreed([_entities(result, text, source) for result in results], source) if results else None
        except _WrongError as problem:
            source.wrong(line, str(problem))
            continue
        yield Raw(line, _id(task), text, spans)


def write(records: Iterable[Record], target: Target) -> None:
    """Writes an array of tasks, one per line. Entities with scores become predictions, others an annotation."""
    key, version = target.options.get("text", "text"), target.options.get("model_version")
    names = {name: target.options.get(name, default) for name, default in (("from_name", "label"), ("to_name", "text"))}
    asked = target.options.get("labels", "auto")
    mark = "["
    with target.text() as out:
        for record in records:
            text, entities = record.sentence.text, record.sentence.entities
            task: dict[str, Any] = {"data": {key: text}}
            if _NUMBER.fullmatch(record.sentence.id):
                task["id"] = int(record.sentence.id)
            elif record.sentence.id:
                task["meta"] = {"id": record.sentence.id}
            if record.labelled:
                scores = [entity.score for entity in entities if entity.score is not None]
                result = [
                    _result(f"{number}", text, entity, target.offsets, names) for number, entity in enumerate(entities)
                ]
                if asked == "predictions" or (asked == "auto" and (scores or version)):
                    task["predictions"] = [
                        {
                            **({"model_version": version} if version else {}),
                            **({"score": sum(scores) / len(scores)} if scores else {}),
                            "result": result,
                        }
                    ]
                else:
                    task["annotations"] = [{"result": result}]
            out.write(f"{mark}\n{to_json(task)}")
            mark = ","
        out.write("\n]\n" if mark == "," else "[]\n")


def _text(data: Any, key: str) -> str:
    text = data.get(key)
    if not isinstance(text, str):
        keys = ", ".join(str(name) for name, value in data.items() if isinstance(value, str)) or "none"
        raise _WrongError(f"no text {key!r} in its data, which has {keys}; name it with option text")
    return text


def _id(task: dict[str, Any]) -> str | None:
    meta = task.get("meta")
    found = meta.get("id") if isinstance(meta, dict) else None
    found = task.get("id") if found is None else found
    return str(found) if isinstance(found, str | int) and found != "" else None


def _results(task: dict[str, Any], source: Source) -> list[list[Any]] | None:
    """The results of each annotation (or prediction) to use; None if there is none."""
    predictions = source.options.get("labels") == "predictions"
    key = "predictions" if predictions else "annotations" if "annotations" in task else "completions"
    made = task.get(key) or []
    if not isinstance(made, list) or not all(isinstance(one, dict) for one in made):
        raise _WrongError(f"{key}: wanted a list of objects, found {short(made)}")
    kept = [one for one in made if not one.get("was_cancelled") and not one.get("skipped")]
    source.counts[CANCELLED] += len(made) - len(kept)
    if predictions and (version := source.options.get("model_version")) is not None:
        kept = [one for one in kept if one.get("model_version") == version]
    results = [one.get("result") for one in [one for one in kept if one.get("ground_truth")] or kept]
    for result in results:
        if not isinstance(result, list) or not all(isinstance(one, dict) for one in result):
            raise _WrongError(f"{key}: wanted a list of objects as result, found {short(result)}")
    return results or None


def _minimal(task: dict[str, Any]) -> list[list[Any]] | None:
    """The results of a task in JSON-MIN, under the names of the project's tags; None if it is not annotated.

    That export contains only annotated tasks, and omits tags without results.
    """
    values = [one for many in task.values() if isinstance(many, list) for one in many if isinstance(one, dict)]
    if not values and "annotation_id" not in task and task.get("label") != []:
        return None
    return [[{"type": _type_of(value), "value": value} for value in values]]


def _type_of(value: dict[str, Any]) -> str:
    """The type of the result of a value in JSON-MIN; ``labels`` also for a span without labels."""
    span_only = {"start", "end"} <= value.keys() <= {"start", "end", "text"}
    return next((key for key in ("labels", *_ELSEWHERE) if key in value), "labels" if span_only else "")


def _agreed(annotations: list[list[RawEntity]], source: Source) -> list[RawEntity]:
    """The entities of the annotations of a task, which have to be the same."""
    if len({frozenset(entity[:3] for entity in entities) for entities in annotations}) > 1:
        if source.options.get("labels") == "predictions":
            raise _WrongError(f"{len(annotations)} predictions that differ; choose one with option model_version")
        raise _WrongError(f"{len(annotations)} annotations that differ; keep one, or mark one as ground truth")
    return annotations[0]


def _entities(results: list[Any], text: str, source: Source) -> list[RawEntity]:
    """The entities of an annotation, in code points if their surfaces say in what they were counted."""
    spans = [span for result in results for span in _spans(result, source)]
    if source.offsets.changes():
        return spans
    for way in (PLAIN, _UTF16):
        places = [way.span(text, start, end) for start, end, *_ in spans]
        if all(_is_there(text, place, span[3], way) for place, span in zip(places, spans)):
            found = [(place, span) for place, span in zip(places, spans) if place is not None]
            source.counts[UTF16] += sum(place != span[:2] for place, span in found)
            return [(*place, type_, None, score) for place, (_, _, type_, _, score) in found]
    return spans  # what is wrong with them is said where all records are checked


def _is_there(text: str, place: tuple[int, int] | None, surface: str | None, way: Offsets) -> bool:
    """Whether an entity is at a place of the text; only a surface shows that of UTF-16 units."""
    if place is None or surface is None:
        return place is not None and way == PLAIN
    return text[slice(*place)] in (surface, surface.replace("\\n", "\n"))  # as its editor writes line ends


def _spans(result: dict[str, Any], source: Source) -> list[RawEntity]:
    """The entities of a result, one for each of its labels, as the file counts."""
    value, type_ = result.get("value"), result.get("type")
    if type_ in _ELSEWHERE:
        raise _WrongError(f"{type_}, whose spans are not in a plain text; label the text itself, in a tag <Text>")
    if type_ != "labels" or not isinstance(value, dict):
        source.counts[RESULTS] += 1
        return []
    start, end, surface = value.get("start"), value.get("end"), value.get("text")
    labels = value.get("labels")
    if type(start) is not int or type(end) is not int:
        raise _WrongError(f"wanted whole numbers as start and end of a span, found {short(start)} and {short(end)}")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise _WrongError(f"wanted a list of texts as labels of a span, found {short(labels)}")
    if surface is not None and not isinstance(surface, str):
        raise _WrongError(f"wanted a string as text of a span, found {short(surface)}")
    score = result.get("score")
    if score is not None and (not isinstance(score, int | float) or not 0 <= score <= 1):
        raise _WrongError(f"wanted a number from 0 to 1 as score, found {short(score)}")
    return [(start, end, label, surface, None if score is None else float(score)) for label in labels]


def _result(number: str, text: str, entity: Entity, offsets: Offsets, names: dict[str, Any]) -> dict[str, Any]:
    start, end = offsets.counted(text, entity.start, entity.end)
    value = {"start": start, "end": end, "text": entity.surface(text), "labels": [entity.type]}
    result = {"id": number, **names, "type": "labels", "value": value}
    return result if entity.score is None else {**result, "score": entity.score}
