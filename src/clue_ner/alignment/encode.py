"""Sentences with gold entities as training examples, and the entities that an alignment cannot represent."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from clue_ner.alignment.aligner import Aligner
from clue_ner.alignment.batch import Batch, collate, padded
from clue_ner.alignment.windows import COLUMNS, Row, Window
from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import ADVICE
from clue_ner.core.entities import Entity, Sentence, overlapping_pairs
from clue_ner.core.schemes import Scheme, Span, types_of_tags


@dataclass(frozen=True, slots=True, kw_only=True)
class Example(Row):
    """A window of train: a row with its gold labels."""

    entities: list[tuple[int, int, int]]
    """start, end (exclusive) on units, and the type's index; they may overlap"""
    labels: list[int]
    """[U] the tag's id of each unit"""


EXAMPLE_COLUMNS = tuple(field.name for field in fields(Example))


UNKNOWN, INEXPRESSIBLE = 0.03, 0.01
"""A warning is logged if the share of unknown units, or of entities that units cannot represent, is above these."""


@dataclass
class Report:
    """The result of encoding one split: counts, and the entities that could not be represented."""

    sentences: int = 0
    windows: int = 0
    characters: int = 0
    tokens: int = 0
    units: int = 0
    unknown_tokens: int = 0
    unknown_characters: int = 0
    """of ``units``, where these are characters"""
    entities: int = 0
    inexpressible: int = 0
    """entities that units cannot represent: no head can learn them"""
    overlapping: int = 0
    """entities that a longer one overlaps: sequence-labelling heads cannot learn them, others can"""
    lost: list[dict[str, Any]] = field(default_factory=list)
    """each entity of both kinds, with the reason; contains text"""

    def metrics(self, examples: int = 10) -> dict[str, Any]:
        """The counts, and the positions of the first lost entities; contains no text, so it may be committed."""
        places = [{key: row[key] for key in ("reason", "id", "type", "start", "end")} for row in self.lost[:examples]]
        return {**{name: value for name, value in vars(self).items() if name != "lost"}, "examples": places}

    def warnings(self, split: str) -> Iterator[str]:
        """A message for each problem that makes scores on the ``split`` unreliable."""
        for what, unknown, total in (
            ("tokens", self.unknown_tokens, self.tokens),
            ("characters", self.unknown_characters, self.units),
        ):
            if unknown > UNKNOWN * total:
                yield (
                    f"{split}: {unknown} of {total} {what} ({unknown / total:.1%}) are not in the backbone's "
                    "vocabulary, so the model cannot distinguish them; choose a backbone for Chinese, or "
                    "tagging.align: pieces"
                )
        if self.inexpressible > INEXPRESSIBLE * self.entities:
            yield (
                f"{split}: {self.inexpressible} of {self.entities} entities "
                f"({self.inexpressible / self.entities:.1%}) begin or end inside a unit, or are longer than a window, "
                "and cannot be found; set tagging.align: characters_over_pieces, or a larger tagging.window"
            )

    def lose(self, reason: str, sentence: Sentence, entity: Entity, tokens: list[str]) -> None:
        """Record an entity that some or all heads cannot learn."""
        place = {"id": sentence.id, "type": entity.type, "start": entity.start, "end": entity.end}
        surface = entity.surface(sentence.text)
        self.lost.append({"reason": reason, **place, "entity": surface, "text": sentence.text, "tokens": tokens})


def encode(
    sentences: Sequence[Sentence], aligner: Aligner, scheme: Scheme, tags: Sequence[str], report: Report
) -> Iterator[Example]:
    """One example for each window: its row, its entities on units, the tag id of each unit; counts go to ``report``.

    Entities may overlap; tags represent the longer ones.
    """
    ids = {tag: i for i, tag in enumerate(tags)}
    types = types_of_tags(tags)
    for window, spans, flat in _aligned(sentences, aligner, report):
        yield Example(
            **{column: getattr(window, column) for column in COLUMNS},
            entities=[(start, end, types.index(type_)) for start, end, type_ in spans],
            labels=[ids[tag] for tag in scheme.encode(flat, len(window.unit_starts))],
        )


def count(sentences: Sequence[Sentence], aligner: Aligner) -> Report:
    """The counts for sentences that are not trained on; their entities may have types without a tag."""
    report = Report()
    deque(_aligned(sentences, aligner, report), maxlen=0)
    return report


def _aligned(
    sentences: Sequence[Sentence], aligner: Aligner, report: Report
) -> Iterator[tuple[Window, list[Span], list[Span]]]:
    """Each window with its entities on units, and those of them that tags can represent."""
    unknown, characters = aligner.tokenizer.unk_id, aligner.align == "characters_over_pieces"
    for sentence, windows in zip(sentences, aligner.windows([s.text for s in sentences])):
        hidden = hidden_by_longer(sentence)
        report.sentences += 1
        report.characters += len(sentence.text)
        report.entities += len(sentence.entities)
        found: set[Entity] = set()
        for window in windows:
            spans: list[Span] = []
            flat: list[Span] = []
            for entity in sentence.entities:
                if (units := window.units_of(entity)) is not None:
                    spans.append((*units, entity.type))
                    found.add(entity)
                    if entity not in hidden:
                        flat.append(spans[-1])
            report.windows += 1
            report.tokens += len(window.input_ids)
            report.units += len(window.unit_starts)
            report.unknown_tokens += window.input_ids.count(unknown)
            report.unknown_characters += window.unit_characters.count(unknown) if characters else 0
            yield window, spans, flat
        for entity in sentence.entities:
            if entity not in found:
                report.inexpressible += 1
                tokens = aligner.tokenizer.tokens([i for w in windows for i in w.input_ids])
                report.lose(_reason(windows, entity), sentence, entity, tokens)
            elif entity in hidden:
                report.overlapping += 1
                report.lose("overlaps a longer entity", sentence, entity, [])


def write_examples(path: Path, examples: Iterator[Example]) -> None:
    """Write examples as an Arrow stream; the same examples give the same bytes."""
    import pyarrow as pa

    schema = pa.schema([(name, _arrow_type(name)) for name in EXAMPLE_COLUMNS])
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        while some := list(islice(examples, 1000)):
            columns = {name: [getattr(example, name) for example in some] for name in EXAMPLE_COLUMNS}
            writer.write_batch(pa.RecordBatch.from_pydict(columns, schema=schema))


def read_examples(path: Path) -> list[Example]:
    """What ``write_examples`` wrote; raises ArtifactError if the file is missing or damaged."""
    import pyarrow as pa

    if not path.is_file():
        raise ArtifactError(f"{path}: no such file; run `dvc repro tokenize_align`")
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
            columns = reader.read_all().to_pydict()
        columns["entities"] = [[tuple(entity) for entity in entities] for entities in columns["entities"]]
        return [Example(**dict(zip(columns, values))) for values in zip(*columns.values())]
    except (pa.ArrowException, OSError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path}: damaged, not encoded examples ({error}); {ADVICE}") from None


def collate_examples(examples: Sequence[Example], pad_id: int) -> Batch:
    """As ``collate``, with ``labels`` [B, U] and ``entities`` [B, E, 3]: start, end and the type's index.

    The index is -1 where a row has fewer than E.
    """
    batch = collate(examples, pad_id)
    batch["labels"] = padded([example.labels for example in examples], 0)
    entities = np.full((len(examples), max(len(example.entities) for example in examples), 3), -1, dtype=np.int64)
    for row, example in zip(entities, examples):
        row[: len(example.entities)] = np.reshape(example.entities, (-1, 3))
    batch["entities"] = entities
    return batch


def _arrow_type(column: str) -> Any:
    import pyarrow as pa

    return pa.list_(pa.list_(pa.int32(), 3) if column == "entities" else pa.int32())


def _reason(windows: Sequence[Window], entity: Entity) -> str:
    """The reason why no window has units for exactly this entity."""
    begins = any(entity.start in window.unit_starts for window in windows)
    ends = any(entity.end in window.unit_ends for window in windows)
    return "no window holds all of it" if begins and ends else "begins or ends inside a unit"


def hidden_by_longer(sentence: Sentence) -> set[Entity]:
    """The entities that a longer one overlaps: a tag has one type."""
    hidden: set[Entity] = set()
    for first, second in overlapping_pairs(sentence.entities):
        if first not in hidden and second not in hidden:
            hidden.add(min(first, second, key=lambda e: (e.end - e.start, -e.start)))
    return hidden
