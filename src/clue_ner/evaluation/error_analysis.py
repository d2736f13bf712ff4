"""The kind of each error, and the confusion matrix of types.

In each sentence gold and predicted entities are paired one to one, greedily, in this order: same extent and type
(right), same extent (wrong type), overlap and same type (wrong boundary), other overlap (both wrong). Within a
rank the pair that shares more characters comes first, then the one further left. An entity without a partner, even if
it overlaps a paired one, is missed (gold) or spurious (predicted). The kinds follow MUC-5 (Chinchor and
Sundheim 1993).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clue_ner.core.entities import Entity, Sentence, types_of

KINDS = ("boundary", "type", "boundary_and_type", "missed", "spurious")
NONE = "none"

_RIGHT = "right"
_PAIRED = (_RIGHT, "type", "boundary", "boundary_and_type")  # by rank


def analyse(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]], examples: int) -> dict[str, Any]:
    """Assign every error to exactly one of ``KINDS``.

    Returns ``counts`` {kind: n}; ``per_type`` {type: {kind: n}} by gold type (spurious errors by predicted type);
    and ``examples`` {kind: the first ``examples`` of it}, each ``{id, text, gold, predicted}`` with entities as
    ``{type, start, end, text}`` or None. An example holds a sentence of the corpus.
    """
    types = _types(gold, predicted)
    per_type = {name: dict.fromkeys(KINDS, 0) for name in types}
    shown: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for sentence, kind, wanted, found in _pairs(gold, predicted):
        if kind == _RIGHT:
            continue
        named = next(entity for entity in (wanted, found) if entity)
        per_type[named.type][kind] += 1
        if len(shown[kind]) < examples:
            shown[kind].append(
                {
                    "id": sentence.id,
                    "text": sentence.text,
                    "gold": _record(wanted, sentence.text),
                    "predicted": _record(found, sentence.text),
                }
            )
    counts = {kind: sum(row[kind] for row in per_type.values()) for kind in KINDS}
    return {"counts": counts, "per_type": per_type, "examples": shown}


def confusion(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]) -> tuple[list[str], NDArray[np.int64]]:
    """Labels (the types, sorted, then ``NONE``) and counts (L, L): gold type down, predicted type across.

    Only entities with the same extent are matched. The last column has the unmatched gold entities, the last row the
    unmatched predicted ones.
    """
    types = _types(gold, predicted)
    index = {name: i for i, name in enumerate(types)}
    matrix = np.zeros((len(types) + 1, len(types) + 1), dtype=np.int64)
    for _, kind, wanted, found in _pairs(gold, predicted):
        row = index[wanted.type] if wanted else -1
        column = index[found.type] if found else -1
        if kind in ("boundary", "boundary_and_type"):
            matrix[row, -1] += 1
            matrix[-1, column] += 1
        else:
            matrix[row, column] += 1
    return [*types, NONE], matrix


def _pairs(
    gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]
) -> Iterator[tuple[Sentence, str, Entity | None, Entity | None]]:
    """Sentence, kind, gold entity and predicted entity of each pair; each entity is in exactly one."""
    for sentence, entities in zip(gold, predicted, strict=True):
        wanted, found = set(sentence.entities), set(entities)
        candidates = [(_rank(g, p), g, p) for g in wanted for p in found if g.overlaps(p)]
        for (rank, _), g, p in sorted(candidates):
            if g in wanted and p in found:
                wanted.remove(g)
                found.remove(p)
                yield sentence, _PAIRED[rank], g, p
        for g in sorted(wanted):
            yield sentence, "missed", g, None
        for p in sorted(found):
            yield sentence, "spurious", None, p


def _rank(gold: Entity, predicted: Entity) -> tuple[int, int]:
    """The sort key of a pair: its kind, then minus the number of shared characters."""
    same_type = gold.type == predicted.type
    if (gold.start, gold.end) == (predicted.start, predicted.end):
        kind = _RIGHT if same_type else "type"
    else:
        kind = "boundary" if same_type else "boundary_and_type"
    return _PAIRED.index(kind), max(gold.start, predicted.start) - min(gold.end, predicted.end)


def _types(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]) -> list[str]:
    found = {entity.type for entities in predicted for entity in entities}
    return sorted(found.union(types_of(gold)))


def _record(entity: Entity | None, text: str) -> dict[str, Any] | None:
    if entity is None:
        return None
    return {"type": entity.type, "start": entity.start, "end": entity.end, "text": entity.surface(text)}
