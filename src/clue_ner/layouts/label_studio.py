"""Label Studio's JSON: one array of tasks, as its full export and its minimal one (JSON-MIN) have them.

Of a task the annotation is read, not the predictions that it began with, unless option ``labels`` says otherwise. Older
versions count UTF-16 units: where the surface shows that, the offsets are converted, and counted.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from clue_ner.common.json_lines import to_json
from clue_ner.core.entities import Entity
from clue_ner.layouts._array import array
from clue_ner.layouts._check import Record
from clue_ner.layouts._offsets import Offsets
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


class _WrongError(Exception):
    """A problem with a task."""


def recognise(sample: Sample) -> str | None:
    """An array of objects with ``data``, or with a list of spans that have ``labels``."""
    begin = "".join(sample.lines).replace(" ", "")[:4096] if sample.path.is_file() else ""
    if not begin.startswith("[{"):
        return None
    if '"data":{' in begin and ('"annotations":' in begin or '"predictions":' in begin or '"completions":' in begin):
        return "a JSON array of tasks with data and annotations"
    return "a JSON array of tasks with labels" if '"labels":[' in begin else None


def read(source: Source) -> Iterator[Raw]:
    """The tasks of a file."""
    predictions = source.options.get("labels") == "predictions"
    for line, task in array(source):
        try:
            if not isinstance(task, dict):
                raise _WrongError(f"wanted an object, found {short(task)}")
            full = isinstance(task.get("data"), dict)
            data = task["data"] if full else task
            text = _text(data, source.options.get("text", "text"))
            results = _results(task, predictions, source) if full else _minimal(task)
            spans = None if results is None else [span for one in results for span in _spans(one, text, source)]
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
            if record.sentence.id.isdecimal() and len(record.sentence.id) < 16:
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


def _results(task: dict[str, Any], predictions: bool, source: Source) -> list[Any] | None:
    """The results of the annotation to use; None if there is none."""
    key = "predictions" if predictions else "annotations" if "annotations" in task else "completions"
    made = task.get(key) or []
    if not isinstance(made, list) or not all(isinstance(one, dict) for one in made):
        raise _WrongError(f"{key}: wanted a list of objects, found {short(made)}")
    kept = [one for one in made if not one.get("was_cancelled")]
    source.counts[CANCELLED] += len(made) - len(kept)
    best = [one for one in kept if one.get("ground_truth")] or kept
    if not best:
        return None
    results = [one.get("result") for one in best]
    for result in results:
        if not isinstance(result, list) or not all(isinstance(one, dict) for one in result):
            raise _WrongError(f"{key}: wanted a list of objects as result, found {short(result)}")
    if len(results) > 1 and len({_same(result) for result in results}) > 1:
        raise _WrongError(f"{len(results)} {key} that differ; keep one, or mark one as ground truth")
    return list(results[0])


def _same(result: list[Any]) -> str:
    """A key that is equal for two results with the same labels."""
    return repr(sorted(repr(one.get("value")) for one in result))


def _minimal(task: dict[str, Any]) -> list[Any] | None:
    """The spans of a task in JSON-MIN, under the project's name of the labels; None if it has none."""
    for value in task.values():
        if isinstance(value, list) and value and all(isinstance(one, dict) and "start" in one for one in value):
            return [{"type": "labels", "value": one} for one in value]
    return [] if task.get("label") == [] else None


def _spans(result: dict[str, Any], text: str, source: Source) -> list[RawEntity]:
    """The entities of a result, one for each of its labels."""
    value = result.get("value")
    if result.get("type") != "labels" or not isinstance(value, dict):
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
    if surface is not None and not source.offsets.changes() and text[max(0, start) : max(0, end)] != surface:
        if (found := _UTF16.span(text, start, end)) is not None and text[slice(*found)] == surface:
            source.counts[UTF16] += len(labels)
            start, end = found
        elif text[max(0, start) : max(0, end)] == surface.replace("\\n", "\n"):  # its editor writes line ends as \\n
            surface = None
    return [(start, end, label, surface, None if score is None else float(score)) for label in labels]


def _result(number: str, text: str, entity: Entity, offsets: Offsets, names: dict[str, Any]) -> dict[str, Any]:
    start, end = offsets.counted(text, entity.start, entity.end)
    value = {"start": start, "end": end, "text": entity.surface(text), "labels": [entity.type]}
    result = {"id": number, **names, "type": "labels", "value": value}
    return result if entity.score is None else {**result, "score": entity.score}
