"""The data model: a sentence is a text with entities at character offsets.

Offsets are Unicode code points, start inclusive, end exclusive: ``text[start:end]`` is the surface.
"""

import hashlib
import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, order=True, slots=True)
class Entity:
    """A typed span of a text.

    >>> Entity(0, 4, "company").surface("青禾银行在杭州开业")
    '青禾银行'
    """

    start: int
    end: int
    type: str
    score: float | None = field(default=None, compare=False)

    def surface(self, text: str) -> str:
        """The characters of ``text`` in this entity's span."""
        return text[self.start : self.end]

    def overlaps(self, other: "Entity") -> bool:
        """Whether the two share a character."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text and its entities, in order of (start, end, type)."""

    id: str
    text: str
    entities: tuple[Entity, ...] = ()


def fingerprint(sentences: Iterable[Sentence]) -> str:
    """SHA-256 of the content, in order: texts and (type, start, end) triples; ids do not count.

    >>> fingerprint([Sentence("1", "青禾银行", (Entity(0, 4, "company"),))])[:16]
    '5057c4f502d5125e'
    """
    digest = hashlib.sha256()
    for sentence in sentences:
        triples = [[e.type, e.start, e.end] for e in sorted(sentence.entities)]
        line = json.dumps([sentence.text, triples], ensure_ascii=False, separators=(",", ":"))
        digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def fingerprint_of_all(splits: Mapping[str, str]) -> str:
    """SHA-256 over the fingerprints of the labelled splits, in their order.

    Unlabelled splits are not included, because not every source of the same corpus has them.
    """
    labelled = "".join(f"{name} {found}\n" for name, found in splits.items() if name != "unlabelled")
    return hashlib.sha256(labelled.encode()).hexdigest()


def types_of(sentences: Iterable[Sentence]) -> list[str]:
    """The entity types that occur, sorted."""
    return sorted({entity.type for sentence in sentences for entity in sentence.entities})


def resolve_overlaps(entities: Iterable[Entity]) -> tuple[Entity, ...]:
    """Keep of overlapping entities the one with the highest score (of equal ones the first); all need scores.

    >>> resolve_overlaps([Entity(0, 2, "address", 0.9), Entity(0, 3, "address", 0.6), Entity(3, 5, "name", 0.8)])
    (Entity(start=0, end=2, type='address', score=0.9), Entity(start=3, end=5, type='name', score=0.8))
    """
    kept: list[Entity] = []  # sorted and without overlaps, so an entity can only overlap its two neighbours
    for entity in sorted(sorted(entities), key=lambda entity: -(entity.score or 0.0)):
        at = bisect_left(kept, entity)
        if not any(entity.overlaps(other) for other in kept[max(0, at - 1) : at + 1]):
            kept.insert(at, entity)
    return tuple(kept)


def overlapping_pairs(entities: Sequence[Entity]) -> list[tuple[Entity, Entity]]:
    """The pairs of entities that share a character, in order."""
    ordered = sorted(entities)
    pairs = []
    for i, first in enumerate(ordered):
        for second in ordered[i + 1 :]:
            if second.start >= first.end:
                break
            pairs.append((first, second))
    return pairs
