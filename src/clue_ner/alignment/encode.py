"""Sentences with gold entities as rows for training, and the entities that an alignment cannot say."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from clue_ner.alignment.aligner import Aligner, Window
from clue_ner.common.errors import ArtifactError
from clue_ner.core.entities import Entity, Sentence, overlapping_pairs
from clue_ner.core.schemes import Scheme


@dataclass
class Report:
    """What became of one split: counts, and examples of entities that could not be expressed."""

    sentences: int = 0
    windows: int = 0
    characters: int = 0
    tokens: int = 0
    units: int = 0
    unknown_tokens: int = 0
    entities: int = 0
    inexpressible: int = 0
    """entities that no units hold: no head will learn them"""
    overlapping: int = 0
    """entities that a longer one overlaps: heads that read tags will not learn them, others may"""
    lost: list[dict[str, Any]] = field(default_factory=list)
    """each of both kinds, and why; holds text"""

    def metrics(self, examples: int = 10) -> dict[str, Any]:
        """The counts, and the first lost entities by place alone: what may be committed."""
        places = [{key: row[key] for key in ("reason", "id", "type", "start", "end")} for row in self.lost[:examples]]
        return {**{name: value for name, value in vars(self).items() if name != "lost"}, "examples": places}

    def lose(self, reason: str, sentence: Sentence, entity: Entity, tokens: list[str]) -> None:
        """Note an entity that some heads or all will not learn."""
        place = {"id": sentence.id, "type": entity.type, "start": entity.start, "end": entity.end}
        surface = entity.surface(sentence.text)
        self.lost.append({"reason": reason, **place, "entity": surface, "text": sentence.text, "tokens": tokens})


def encode(
    sentences: Sequence[Sentence], aligner: Aligner, scheme: Scheme, tags: Sequence[str], report: Report
) -> Iterator[dict[str, Any]]:
    """A row a window: its tokens and units, the entities on them, the tag id of each unit; counts go to ``report``.

    Entities may overlap; tags are those of the longer ones.
    """
    ids = {tag: i for i, tag in enumerate(tags)}
    unknown = aligner.tokenizer.unk_token_id
    for number, (sentence, windows) in enumerate(zip(sentences, aligner.windows([s.text for s in sentences]))):
        hidden = _hidden(sentence)
        report.sentences += 1
        report.characters += len(sentence.text)
        report.entities += len(sentence.entities)
        found: set[Entity] = set()
        for window in windows:
            spans, flat = [], []
            for entity in sentence.entities:
                if (units := window.units_of(entity)) is not None:
                    spans.append((*units, entity.type))
                    found.add(entity)
                    if entity not in hidden:
                        flat.append(spans[-1])
            labels = [ids[tag] for tag in scheme.encode(flat, len(window.unit_starts))]
            report.windows += 1
            report.tokens += len(window.input_ids)
            report.units += len(window.unit_starts)
            report.unknown_tokens += window.input_ids.count(unknown)
            yield _row(number, window, spans, labels)
        for entity in sentence.entities:
            if entity not in found:
                report.inexpressible += 1
                tokens = aligner.tokenizer.convert_ids_to_tokens([i for w in windows for i in w.input_ids])
                report.lose(_reason(windows, entity), sentence, entity, tokens)
            elif entity in hidden:
                report.overlapping += 1
                report.lose("overlaps a longer entity", sentence, entity, [])


def write_rows(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    """Write rows as an Arrow stream that ``datasets`` maps into memory; the same rows give the same bytes."""
    import pyarrow as pa

    schema = _arrow_schema()
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        while some := list(islice(rows, 1000)):
            writer.write_batch(pa.RecordBatch.from_pylist(some, schema=schema))


def read_rows(path: Path) -> Any:
    """The rows as a ``datasets.Dataset``, memory-mapped."""
    from datasets import Dataset

    if not path.is_file():
        raise ArtifactError(f"{path}: no such file; run `dvc repro tokenize_align`")
    return Dataset.from_file(str(path))


@functools.cache
def _arrow_schema() -> Any:
    import pyarrow as pa

    lists = pa.list_(pa.int32())
    span = pa.struct([("start", pa.int32()), ("end", pa.int32()), ("type", pa.string())])
    columns = ["input_ids", "unit_starts", "unit_ends", "unit_tokens", "unit_characters", "unit_places", "unit_lengths"]
    return pa.schema(
        [
            ("sentence", pa.int32()),
            *((column, lists) for column in columns),
            ("entities", pa.list_(span)),
            ("labels", lists),
        ]
    )


def _row(number: int, window: Window, spans: list[tuple[int, int, str]], labels: list[int]) -> dict[str, Any]:
    return {
        "sentence": number,
        "input_ids": window.input_ids,
        "unit_starts": window.unit_starts,
        "unit_ends": window.unit_ends,
        "unit_tokens": window.unit_tokens,
        "unit_characters": window.unit_characters,
        "unit_places": window.unit_places,
        "unit_lengths": window.unit_lengths,
        "entities": [{"start": start, "end": end, "type": type_} for start, end, type_ in spans],
        "labels": labels,
    }


def _reason(windows: Sequence[Window], entity: Entity) -> str:
    """Why no window has units that hold exactly the entity."""
    begins = any(entity.start in window.unit_starts for window in windows)
    ends = any(entity.end in window.unit_ends for window in windows)
    return "no window holds all of it" if begins and ends else "begins or ends inside a unit"


def _hidden(sentence: Sentence) -> set[Entity]:
    """The entities that a longer one overlaps: tags say one type for each unit."""
    hidden: set[Entity] = set()
    for first, second in overlapping_pairs(sentence.entities):
        if first not in hidden and second not in hidden:
            hidden.add(min(first, second, key=lambda e: (e.end - e.start, -e.start)))
    return hidden
