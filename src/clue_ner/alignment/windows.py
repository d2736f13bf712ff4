"""Windows: parts of a text that the model reads at once, and the merging of their entities.

Letters: T tokens, U units. The inputs of the network are the fields of ``Row``: the training file and the batches are
made from them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import NamedTuple

from clue_ner.core.entities import Entity

MAX_PLACE = 7
"""Places inside a piece, and piece lengths minus one, are clipped to this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The network's input for one window: T tokens, U units."""

    input_ids: list[int]
    """[T] tokens, special ones included"""
    unit_tokens: list[int]
    """[U] the token whose state the unit takes"""
    unit_characters: list[int]
    """[U] id of the unit's character in the vocabulary; 0 unless characters_over_pieces"""
    unit_places: list[int]
    """[U] the character's place in its piece, from 0, at most MAX_PLACE"""
    unit_lengths: list[int]
    """[U] length of that piece minus one, at most MAX_PLACE"""


COLUMNS = tuple(field.name for field in fields(Row))
UNIT_COLUMNS = tuple(name for name in COLUMNS if name.startswith("unit_"))
INPUTS = ("input_ids", "attention_mask", *UNIT_COLUMNS, "unit_mask")
"""The network's arguments, in this order; both masks are made when a batch is collated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window(Row):
    """A window of a text: a row, and the positions of its units in the text."""

    unit_starts: list[int]
    """[U] first character of the unit, inclusive"""
    unit_ends: list[int]
    """[U] last character of the unit, exclusive"""
    core: tuple[int, int]
    """the units [first, end) that this window decides; neighbouring windows decide the rest"""

    def units_of(self, entity: Entity) -> tuple[int, int] | None:
        """The units [first, end) of this window with exactly the entity's characters, or None."""
        first = next((u for u, start in enumerate(self.unit_starts) if start == entity.start and self._holds(u)), None)
        last = next((u for u, end in enumerate(self.unit_ends) if end == entity.end and self._holds(u)), None)
        return None if first is None or last is None or last < first else (first, last + 1)

    def entity(self, first: int, end: int, type_: str, score: float | None = None) -> Entity | None:
        """The entity on the units [first, end), with offsets in the text; None if they have no characters."""
        held = [u for u in range(first, end) if self._holds(u)]
        return Entity(self.unit_starts[held[0]], self.unit_ends[held[-1]], type_, score) if held else None

    def _holds(self, unit: int) -> bool:
        return self.unit_ends[unit] > self.unit_starts[unit]


class Stretch(NamedTuple):
    """A stretch [start, end) of places, and the part [first, stop) of it that it decides."""

    start: int
    end: int
    first: int
    stop: int


def stretches(length: int, room: int, overlap: int) -> Iterator[Stretch]:
    """Overlapping stretches of at most ``room`` places over ``length`` places, each with the part that it decides."""
    step = room - overlap
    starts = range(0, max(1, length - overlap), step)
    for start in starts:
        is_first, is_last = start == 0, start == starts[-1]
        yield Stretch(
            start,
            length if is_last else start + room,
            0 if is_first else start + overlap // 2,
            length if is_last else start + step + overlap // 2,
        )


def merge(windows: Iterable[tuple[Window, Iterable[Entity]]]) -> tuple[Entity, ...]:
    """Merge the entities of a text's windows: each window contributes those that begin in its core."""
    merged: set[Entity] = set()
    for window, entities in windows:
        core_start, core_end = window.unit_starts[window.core[0]], window.unit_ends[window.core[1] - 1]
        merged.update(entity for entity in entities if core_start <= entity.start < core_end)
    return tuple(sorted(merged))
