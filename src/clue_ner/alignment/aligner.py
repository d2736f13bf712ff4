"""Characters and tokens, brought together by offsets and never by counting.

The encoder reads *tokens*; tags are decided on *units*: the tokens themselves (``characters``, ``pieces``) or every
character (``characters_over_pieces``). Each unit knows its characters [start, end) in the original text and the token
whose state it takes. Texts longer than the window become overlapping windows; nothing is truncated.
"""

import functools
import math
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from clue_ner.alignment.character_tokenizer import METASPACE, character_tokenizer
from clue_ner.common.errors import ArtifactError, ParamsError
from clue_ner.core.entities import Entity
from clue_ner.core.files import read_json
from clue_ner.core.params import TaggingParams

MAX_PLACE = 7
"""Places inside a piece, and piece lengths minus one, are clipped to this."""

UNITS_PER_TOKEN = 6
"""A window has at most so many times more units than the encoder's window has tokens: a token can hold a whole line."""

TEXTS = 1000
"""So many texts at most are tokenised together."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a text as the model reads it: T tokens, U units.

    ``core`` is the range of units [first, end) that this window decides; its neighbours decide the rest.
    """

    input_ids: list[int]
    unit_starts: list[int]
    unit_ends: list[int]
    unit_tokens: list[int]
    unit_characters: list[int]
    unit_places: list[int]
    unit_lengths: list[int]
    core: tuple[int, int]

    def units_of(self, entity: Entity) -> tuple[int, int] | None:
        """The units [first, end) that hold exactly the entity's characters in this window, or None."""
        first = next((u for u, start in enumerate(self.unit_starts) if start == entity.start and self._holds(u)), None)
        last = next((u for u, end in enumerate(self.unit_ends) if end == entity.end and self._holds(u)), None)
        return None if first is None or last is None or last < first else (first, last + 1)

    def entity(self, first: int, end: int, type_: str, score: float | None = None) -> Entity | None:
        """The entity on the units [first, end), with offsets in the text; None if they hold no character."""
        held = [u for u in range(first, end) if self._holds(u)]
        return Entity(self.unit_starts[held[0]], self.unit_ends[held[-1]], type_, score) if held else None

    def _holds(self, unit: int) -> bool:
        return self.unit_ends[unit] > self.unit_starts[unit]


class _Unit(NamedTuple):
    start: int
    end: int
    token: int
    character: int = 0
    place: int = 0
    length: int = 0


class Aligner:
    """Turns texts into windows for one tokenizer and one way to align."""

    def __init__(self, tokenizer: Any, align: str, window: int, overlap: int) -> None:
        self.tokenizer, self.align, self.window, self.overlap = tokenizer, align, window, overlap
        self._characters = character_tokenizer(tokenizer) if align == "characters_over_pieces" else None
        self._before, self._after = _special_ids(tokenizer)

    @classmethod
    def from_backbone(cls, folder: Path, params: TaggingParams) -> "Aligner":
        """For a backbone's own tokenizer; ``characters`` replaces it by the one that splits at every character.

        Raises ParamsError for windows that are longer than what the backbone reads.
        """
        if params.window > (positions := _positions(folder)):
            raise ParamsError(
                f"params.yaml: tagging.window: {params.window}, and the backbone reads {positions} tokens; "
                f"wanted {positions} or less"
            )
        tokenizer = load_tokenizer(folder)
        if params.align == "characters":
            tokenizer = character_tokenizer(tokenizer)
        return cls(tokenizer, params.align, params.window, params.overlap)

    def windows(self, texts: Sequence[str]) -> Iterator[list[Window]]:
        """The windows of each text, in order; an empty text has none.

        Lone surrogates, which no tokenizer takes, are read as unknown characters; offsets stay those of the text.
        """
        for at in range(0, len(texts), TEXTS):
            yield from self._windows([_without_surrogates(text) for text in texts[at : at + TEXTS]])

    def _windows(self, readable: list[str]) -> Iterator[list[Window]]:
        pieces = self.tokenizer(readable, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        characters = self._characters and self._characters(
            readable, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        for i, text in enumerate(readable):
            encoding = pieces[i]
            tokens = list(zip(encoding.ids, encoding.tokens, encoding.offsets))
            units = _token_units(text, tokens, every=self.align == "characters")
            if characters is not None:
                units = _character_units(text, units, characters[i], self.tokenizer.unk_token_id)
            yield list(self._cut(encoding.ids, units))

    def _cut(self, ids: list[int], units: list[_Unit]) -> Iterator[Window]:
        """Overlapping windows over tokens; where two overlap, each decides the half that it sees better."""
        room = self.window - len(self._before) - len(self._after)
        tokens = [unit.token for unit in units]
        for token_from, token_to, *core_tokens in _stretches(len(ids), room, self.overlap):
            first, end, core_first, core_end = (bisect_left(tokens, at) for at in (token_from, token_to, *core_tokens))
            shift = len(self._before) - token_from
            for start, stop, *core in _stretches(end - first, UNITS_PER_TOKEN * self.window, self.overlap):
                inside = units[first + start : first + stop]
                core_start, core_stop = max(first + core[0], core_first), min(first + core[1], core_end)
                if core_start >= core_stop:
                    continue
                yield Window(
                    input_ids=[*self._before, *ids[token_from:token_to], *self._after],
                    unit_starts=[unit.start for unit in inside],
                    unit_ends=[unit.end for unit in inside],
                    unit_tokens=[unit.token + shift for unit in inside],
                    unit_characters=[unit.character for unit in inside],
                    unit_places=[min(unit.place, MAX_PLACE) for unit in inside],
                    unit_lengths=[min(unit.length, MAX_PLACE) for unit in inside],
                    core=(core_start - first - start, core_stop - first - start),
                )


def merge(windows: Iterable[tuple[Window, Iterable[Entity]]]) -> tuple[Entity, ...]:
    """The entities of a text from those of its windows: each window gives those that begin in its core."""
    merged: set[Entity] = set()
    for window, entities in windows:
        core_start, core_end = window.unit_starts[window.core[0]], window.unit_ends[window.core[1] - 1]
        merged.update(entity for entity in entities if core_start <= entity.start < core_end)
    return tuple(sorted(merged))


def load_tokenizer(folder: Path) -> Any:
    """A fast tokenizer from its files alone, which reads special tokens in a text as ordinary characters."""
    from transformers import AutoTokenizer

    if not (folder / "tokenizer.json").is_file():
        raise ArtifactError(f"{folder}: no tokenizer.json; wanted a folder that `dvc repro` made")
    return AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, split_special_tokens=True
    )


def _positions(backbone: Path) -> float:
    """The tokens that the encoder has position embeddings for; without end if its config says nothing of them."""
    config = read_json(backbone / "config.json")
    positions = config.get("max_position_embeddings")
    if not positions or positions < 0:
        return math.inf
    counts_from_padding = "roberta" in config.get("model_type", "")  # its first position is that of padding, plus one
    return int(positions) - (int(config["pad_token_id"]) + 1 if counts_from_padding else 0)


def _stretches(length: int, room: int, overlap: int) -> Iterator[tuple[int, int, int, int]]:
    """Overlapping stretches [start, end) of ``length`` places, each with the core [from, to) that it decides."""
    step = room - overlap
    starts = range(0, max(1, length - overlap), step)
    for start in starts:
        first, last = start == 0, start == starts[-1]
        yield (
            start,
            length if last else start + room,
            0 if first else start + overlap // 2,
            length if last else start + step + overlap // 2,
        )


def _token_units(text: str, tokens: list[tuple[int, str, tuple[int, int]]], every: bool) -> list[_Unit]:
    """A unit for each token; tokens on the same character are one unit, marks that no token holds join their letter.

    Unless ``every`` character is to count, a token's leading blanks are not the unit's, a token of blanks alone is no
    unit, and a bare word mark is a unit that holds no character.
    """
    units: list[_Unit] = []
    following = [*(start for _, _, (start, _) in tokens[1:]), len(text)]
    for number, (_, piece, (start, end)) in enumerate(tokens):
        while not every and start < end and _is_blank(text[start]):
            start += 1
        if piece == METASPACE and not every:
            units.append(_Unit(start, start, number))
        elif start == end or (units and start < units[-1].end):
            continue
        else:
            while end < following[number] and unicodedata.category(text[end]).startswith("M"):
                end += 1
            units.append(_Unit(start, end, number))
    return units


@functools.cache
def _is_blank(char: str) -> bool:
    """Whether ``char`` is whitespace, or a control or format character, which no tokenizer shows."""
    return char.isspace() or unicodedata.category(char) in ("Cc", "Cf")


def _character_units(text: str, pieces: list[_Unit], encoding: Any, unknown: int) -> list[_Unit]:
    """A unit for each character, on the piece that holds it or, where none does, the one before."""
    held = [piece for piece in pieces if piece.end > piece.start]
    if not held:
        return []
    ids = [unknown] * len(text)
    for id_, (start, end) in reversed(list(zip(encoding.ids, encoding.offsets))):
        ids[start:end] = [id_] * (end - start)
    units, at = [], 0
    for position in range(len(text)):
        while at + 1 < len(held) and held[at + 1].start <= position:
            at += 1
        piece = held[at]
        inside = piece.start <= position < piece.end
        place, length = (position - piece.start, piece.end - piece.start - 1) if inside else (0, 0)
        units.append(_Unit(position, position + 1, piece.token, ids[position], place, length))
    return units


def _special_ids(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The ids that the tokenizer puts before and after a text."""
    encoding = tokenizer("一", return_special_tokens_mask=True)
    ids, special = encoding["input_ids"], encoding["special_tokens_mask"]
    first, last = special.index(0), len(special) - special[::-1].index(0)
    return ids[:first], ids[last:]


def _without_surrogates(text: str) -> str:
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
