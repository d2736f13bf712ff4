"""Entities that windows, alignments and tag schemes cannot represent, so that no model can learn them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

from clue_ner.alignment.aligner import Aligner
from clue_ner.alignment.character_tokenizer import character_tokenizer, without_characters
from clue_ner.alignment.encode import count, hidden_by_longer
from clue_ner.common.errors import ParamsError
from clue_ner.core.entities import Entity, Sentence, overlapping_pairs
from clue_ner.core.params import TaggingParams
from clue_ner.core.schemes import SCHEMES, Span
from clue_ner.data_report.lengths import summary
from clue_ner.tagger.config import TaggerConfig
from clue_ner.tagger.tagger import load_aligner

ALIGNMENTS = get_args(TaggingParams.model_fields["align"].annotation)
OVERLAPS = {
    "same_span": "one span with two types: span and global_pointer can say it",
    "nested": "one inside the other: span (of two types), global_pointer and biaffine can say it",
    "crossing": "each has a part of its own: span (of two types) and global_pointer can say it",
}
"""How two entities can overlap, and the heads that can represent it; sequence-labelling heads never can."""
TEXTS = 1000
"""Number of texts that are tokenised at once."""
_EXAMPLE = ("reason", "id", "type", "start", "end", "entity")


@dataclass(frozen=True)
class Alignments:
    """The aligners of one tokenizer by alignment, and the reason for each alignment that it does not allow."""

    source: str
    """the source of the tokenizer, as text"""
    chosen: str
    """the alignment in use"""
    window: int
    """window length in tokens"""
    aligners: Mapping[str, Aligner]
    refused: Mapping[str, str]

    @classmethod
    def of_backbone(cls, folder: Path, source: str, tagging: TaggingParams) -> "Alignments":
        """All alignments of the backbone in ``folder``; ``tagging`` sets the window and the alignment in use."""
        aligners, refused = {}, {}
        for align in ALIGNMENTS:
            try:
                aligners[align] = Aligner.from_backbone(folder, align, tagging.window, tagging.overlap)
            except ParamsError as error:
                refused[align] = str(error)
        return cls(source, tagging.align, tagging.window, aligners, refused)

    @classmethod
    def of_model(cls, folder: Path, source: str) -> "Alignments":
        """The alignments that the model's tokenizer allows, with the model's window."""
        config = TaggerConfig.load(folder)
        own = load_aligner(folder, config)
        if config.align == "characters":
            why = "the model has only a tokenizer of characters, and not the pieces of its backbone"
            return cls(source, config.align, config.window, {config.align: own}, dict.fromkeys(ALIGNMENTS[1:], why))
        characters = character_tokenizer(own.tokenizer)
        aligners = {
            align: Aligner(characters if align == "characters" else own.tokenizer, align, config.window, config.overlap)
            for align in ALIGNMENTS
        }
        if example := without_characters(own.tokenizer, characters):
            why = f"the model's vocabulary has bytes, not characters ({example})"
            return cls(
                source, config.align, config.window, {"pieces": aligners.pop("pieces")}, dict.fromkeys(aligners, why)
            )
        return cls(source, config.align, config.window, aligners, {})


def alignment_losses(
    sentences: Sequence[Sentence], aligner: Aligner, split: str, examples: int
) -> tuple[dict[str, Any], list[str]]:
    """Statistics of one alignment on the sentences of ``split``, and the warnings that stage tokenize_align would give.

    ``{tokens, cut_texts, entities, inside_unit, cut_entities, unknown, units, examples}``: the summary of the texts'
    lengths in tokens; the texts longer than a window; all entities, those that begin or end inside a unit, and those
    that fit into no window; the units or tokens that are not in the vocabulary, and all of them; the first lost
    entities.
    """
    lengths = list(_lengths(sentences, aligner))
    room = aligner.window - len(aligner.tokenizer.before) - len(aligner.tokenizer.after)
    counted = count(sentences, aligner)
    lost = [row for row in counted.lost if not row["reason"].startswith("overlaps")]
    cut = sum(row["reason"].startswith("no window") for row in lost)
    over_pieces = aligner.align == "characters_over_pieces"
    losses = {
        "tokens": summary(lengths),
        "cut_texts": sum(length > room for length in lengths),
        "entities": counted.entities,
        "inside_unit": len(lost) - cut,
        "cut_entities": cut,
        "unknown": counted.unknown_characters if over_pieces else counted.unknown_tokens,
        "units": counted.units if over_pieces else counted.tokens,
        "examples": [{key: row[key] for key in _EXAMPLE} for row in lost[:examples]],
    }
    return losses, list(counted.warnings(split))


def scheme_losses(sentences: Iterable[Sentence]) -> dict[str, int]:
    """For each tag scheme, the number of entities that cannot be decoded from the tags of characters.

    A tag has one type, so of entities that overlap only the longer one can be decoded.
    """
    lost = dict.fromkeys(SCHEMES, 0)
    for sentence in sentences:
        hidden = hidden_by_longer(sentence)
        spans = [(e.start, e.end, e.type) for e in sentence.entities if e not in hidden]
        beside = any(left[1:] == (right[0], right[2]) for left, right in pairwise(spans))
        for name in SCHEMES:
            lost[name] += len(hidden)
            if beside:  # any scheme has the others
                lost[name] += len({*spans}.difference(_again(spans, len(sentence.text), name)))
    return lost


def overlaps(sentences: Sequence[Sentence]) -> dict[str, int]:
    """The pairs of entities that share a character, counted by the keys of ``OVERLAPS``."""
    counts = dict.fromkeys(OVERLAPS, 0)
    for sentence in sentences:
        for first, second in overlapping_pairs(sentence.entities):
            counts[_overlap(first, second)] += 1
    return counts


def _overlap(first: Entity, second: Entity) -> str:
    """``first`` comes before ``second`` in order of start and end."""
    if (first.start, first.end) == (second.start, second.end):
        return "same_span"
    return "nested" if second.end <= first.end or first.start == second.start else "crossing"


def _again(spans: list[Span], length: int, scheme: str) -> Iterator[Span]:
    yield from SCHEMES[scheme].decode(SCHEMES[scheme].encode(spans, length))


def _lengths(sentences: Sequence[Sentence], aligner: Aligner) -> Iterator[int]:
    """The tokens of each text."""
    for at in range(0, len(sentences), TEXTS):
        texts = [_readable(sentence.text) for sentence in sentences[at : at + TEXTS]]
        yield from (len(encoding.ids) for encoding in aligner.tokenizer.encode(texts))


def _readable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")
