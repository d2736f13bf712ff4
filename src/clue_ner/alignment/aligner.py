"""Alignment of characters and tokens by offsets, never by counting.

The encoder reads *tokens*; labels are assigned to *units*: the tokens themselves (``characters``, ``pieces``) or every
character (``characters_over_pieces``). Each unit has its characters [start, end) in the original text and the token
whose state it takes. Texts longer than the window become overlapping windows; nothing is truncated.
"""

import functools
import math
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tokenizers import Encoding

from clue_ner.alignment.character_tokenizer import METASPACE, character_tokenizer, without_characters
from clue_ner.alignment.tokenizer import Tokenizer
from clue_ner.alignment.windows import MAX_PLACE, Window, stretches
from clue_ner.common.errors import ParamsError
from clue_ner.common.files import read_json

UNITS_PER_TOKEN = 6
"""Maximum number of units per token of the window: a single token can contain a whole line of characters."""

COUNT_FROM_PADDING = ("roberta", "camembert", "data2vec", "esm", "ibert", "longformer", "luke", "mpnet", "xmod")
"""Parts of the names of architectures whose first position id is the padding id plus one."""

TEXTS = 1000
"""Maximum number of texts that are tokenised together."""


class _Unit(NamedTuple):
    start: int
    end: int
    token: int
    character: int = 0
    place: int = 0
    length: int = 0


class Aligner:
    """Turns texts into windows for one tokenizer and one alignment.

    ``align`` is ``characters``, ``pieces`` or ``characters_over_pieces``; ``window`` and ``overlap`` are in tokens.
    """

    def __init__(self, tokenizer: Tokenizer, align: str, window: int, overlap: int) -> None:
        self.tokenizer, self.align, self.window, self.overlap = tokenizer, align, window, overlap
        self._characters = character_tokenizer(tokenizer) if align == "characters_over_pieces" else None

    @classmethod
    def from_backbone(cls, folder: Path, align: str, window: int, overlap: int) -> "Aligner":
        """An aligner with a backbone's tokenizer; with ``characters``, with one that splits at every character instead.

        Raises ParamsError for windows longer than the backbone's maximum, and for alignments by character if its
        vocabulary is byte-level.
        """
        if window > (positions := _positions(folder)):
            raise ParamsError(
                f"params.yaml: tagging.window: {window}, and the backbone reads {positions} tokens; "
                f"wanted {positions} or less"
            )
        tokenizer = Tokenizer.load(folder)
        if align == "pieces":
            return cls(tokenizer, align, window, overlap)
        characters = character_tokenizer(tokenizer)
        if example := without_characters(tokenizer, characters):
            raise ParamsError(
                f"params.yaml: tagging.align: {align}, and the backbone's vocabulary has bytes, not characters "
                f"({example}), so that each character would be unknown; set it to pieces"
            )
        return cls(characters if align == "characters" else tokenizer, align, window, overlap)

    def windows(self, texts: Sequence[str]) -> Iterator[list[Window]]:
        """The windows of each text, in order; an empty text has none.

        Lone surrogates, which tokenizers do not accept, are read as unknown characters; offsets do not change.
        """
        for at in range(0, len(texts), TEXTS):
            yield from self._windows([_without_surrogates(text) for text in texts[at : at + TEXTS]])

    def _windows(self, readable: list[str]) -> Iterator[list[Window]]:
        pieces = self.tokenizer.encode(readable)
        characters = None if self._characters is None else self._characters.encode(readable)
        for i, text in enumerate(readable):
            encoding = pieces[i]
            tokens = list(zip(encoding.ids, encoding.tokens, encoding.offsets))
            units = _token_units(text, tokens, every=self.align == "characters")
            if characters is not None:
                units = _character_units(text, units, characters[i], self.tokenizer.unk_id)
            yield list(self._cut(encoding.ids, units))

    def _cut(self, ids: list[int], units: list[_Unit]) -> Iterator[Window]:
        """Overlapping windows over tokens; each decides the half of an overlap for which it has more context."""
        before, after = self.tokenizer.before, self.tokenizer.after
        room = self.window - len(before) - len(after)
        tokens = [unit.token for unit in units]
        for token_from, token_to, *core_tokens in stretches(len(ids), room, self.overlap):
            first, end, core_first, core_end = (bisect_left(tokens, at) for at in (token_from, token_to, *core_tokens))
            shift = len(before) - token_from
            for start, stop, *core in stretches(end - first, UNITS_PER_TOKEN * self.window, self.overlap):
                inside = units[first + start : first + stop]
                core_start, core_stop = max(first + core[0], core_first), min(first + core[1], core_end)
                if core_start >= core_stop:
                    continue
                yield Window(
                    input_ids=[*before, *ids[token_from:token_to], *after],
                    unit_starts=[unit.start for unit in inside],
                    unit_ends=[unit.end for unit in inside],
                    unit_tokens=[unit.token + shift for unit in inside],
                    unit_characters=[unit.character for unit in inside],
                    unit_places=[min(unit.place, MAX_PLACE) for unit in inside],
                    unit_lengths=[min(unit.length, MAX_PLACE) for unit in inside],
                    core=(core_start - first - start, core_stop - first - start),
                )


def _positions(backbone: Path) -> float:
    """The number of tokens for which the encoder has position embeddings; infinite if its config does not say."""
    config = read_json(backbone / "config.json")
    positions = config.get("max_position_embeddings")
    if not positions or positions < 0:
        return math.inf
    counts_from_padding = any(name in config.get("model_type", "") for name in COUNT_FROM_PADDING)
    return int(positions) - (int(config["pad_token_id"]) + 1 if counts_from_padding else 0)


def _token_units(text: str, tokens: list[tuple[int, str, tuple[int, int]]], every: bool) -> list[_Unit]:
    """One unit for each token; tokens of the same character form one unit; marks without a token join their letter.

    Unless ``every`` is true (each character counts), leading blanks of a token do not belong to the unit, a token of
    blanks only is not a unit, and a bare word mark is a unit without characters.
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
    """Whether ``char`` is whitespace, or a control or format character, which tokenizers drop."""
    return char.isspace() or unicodedata.category(char) in ("Cc", "Cf")


def _character_units(text: str, pieces: list[_Unit], encoding: Encoding, unknown: int) -> list[_Unit]:
    """One unit for each character, with the piece that contains it, or else the previous piece."""
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


def _without_surrogates(text: str) -> str:
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
