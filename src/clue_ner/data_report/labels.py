"""Contradictory labels, and what one split has in common with another."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from clue_ner.common.texts import bare
from clue_ner.core.entities import Entity, Sentence
from clue_ner.data_report.hashes import SeveralTypes, among, hashes, repeated

COMMON = 3
"""Unlabelled occurrences are searched for surfaces of two or more characters that are labelled at least this often."""

Splits = Mapping[str, Sequence[Sentence]]


def several_types(sentences: Sequence[Sentence], examples: int) -> dict[str, Any]:
    """Surfaces that are labelled with more than one type: ``{surfaces, entities, examples}``.

    ``surfaces`` is their number, ``entities`` the number of entities with such a surface; the examples are the most
    common surfaces, ``{text, types: {type: n}}``.
    """
    in_question = SeveralTypes((e.surface(s.text), e.type) for s in sentences for e in s.entities)
    types: dict[str, Counter[str]] = defaultdict(Counter)
    for sentence in sentences:
        for entity in sentence.entities:
            if (surface := entity.surface(sentence.text)) in in_question:
                types[surface][entity.type] += 1
    several = {surface: found for surface, found in types.items() if len(found) > 1}
    shown = sorted(several.items(), key=lambda item: (-item[1].total(), item[0]))[:examples]
    return {
        "surfaces": len(several),
        "entities": sum(found.total() for found in several.values()),
        "examples": [{"text": surface, "types": dict(found.most_common())} for surface, found in shown],
    }


def unlabelled_occurrences(sentences: Sequence[Sentence], examples: int) -> dict[str, Any]:
    """Unlabelled occurrences, which no entity overlaps, of surfaces that are labelled in most of their occurrences.

    ``{surfaces, places, examples}``: the number of distinct surfaces and of occurrences; the examples are the surfaces
    with the most occurrences, ``{text, labelled, unlabelled, ids}``. A surface counts if it is labelled at least
    ``COMMON`` times, and more often than not.
    """
    common = repeated(_long_surfaces(sentences), COMMON)
    labelled = Counter(surface for surface in _long_surfaces(sentences) if hash(surface) in common)
    wanted = {surface: count for surface, count in labelled.items() if count >= COMMON}
    lengths = sorted({len(surface) for surface in wanted})
    first = {surface[:2] for surface in wanted}
    places: Counter[str] = Counter()
    ids: dict[str, list[str]] = defaultdict(list)
    for sentence in sentences:
        text, covered = sentence.text, _covered(sentence)
        for start in range(len(text) - 1):
            if text[start : start + 2] not in first:
                continue
            for length in lengths:
                surface = text[start : start + length]
                if len(surface) == length and surface in wanted and not any(covered[start : start + length]):
                    places[surface] += 1
                    if len(ids[surface]) < examples:
                        ids[surface].append(sentence.id)
    found = {surface: count for surface, count in places.items() if count < wanted[surface]}
    shown = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:examples]
    return {
        "surfaces": len(found),
        "places": sum(found.values()),
        "examples": [
            {"text": surface, "labelled": wanted[surface], "unlabelled": count, "ids": ids[surface]}
            for surface, count in shown
        ],
    }


def same_text(splits: Splits, examples: int) -> dict[str, Any]:
    """Texts that occur in more than one sentence of the labelled splits: ``{texts, other_labels, examples}``.

    ``other_labels`` is the number of these texts whose sentences have different entities; the examples are such texts,
    ``{text, labels: [{split, id, entities: [[type, start, end], …]}]}``.
    """
    in_question = repeated(sentence.text for sentences in splits.values() for sentence in sentences)
    places: dict[str, list[tuple[str, Sentence]]] = defaultdict(list)
    for split, sentences in splits.items():
        for sentence in sentences:
            if hash(sentence.text) in in_question:
                places[sentence.text].append((split, sentence))
    several = {text: found for text, found in places.items() if len(found) > 1}
    others = {text: found for text, found in several.items() if len({_labels(s) for _, s in found}) > 1}
    return {
        "texts": len(several),
        "other_labels": len(others),
        "examples": [
            {
                "text": text,
                "labels": [
                    {"split": split, "id": s.id, "entities": [[e.type, e.start, e.end] for e in s.entities]}
                    for split, s in found
                ],
            }
            for text, found in list(others.items())[:examples]
        ],
    }


def unseen(train: Sequence[Sentence], split: Sequence[Sentence]) -> dict[str, Any]:
    """The number of entities of ``split`` whose surface and type no entity of ``train`` has, in total and by type.

    ``{entities, unseen, share, other_type, per_type: {type: {entities, unseen}}}``; ``other_type`` is the number of
    unseen entities whose surface occurs in train with another type only. ``share`` is unseen / entities (0 to 1; 0 if
    there are no entities).
    """
    known, surfaces = (
        among(hashes(_keys(split, with_type)), hashes(_keys(train, with_type))) for with_type in (True, False)
    )
    counts: Counter[str] = Counter()
    per_type: dict[str, dict[str, int]] = {}
    entities = (entity for sentence in split for entity in sentence.entities)
    for entity, is_known, has_surface in zip(entities, known.tolist(), surfaces.tolist()):
        row = per_type.setdefault(entity.type, {"entities": 0, "unseen": 0})
        row["entities"] += 1
        row["unseen"] += not is_known
        counts.update({"entities": 1, "unseen": not is_known, "other_type": not is_known and has_surface})
    total = counts["entities"]
    return {
        "entities": total,
        "unseen": counts["unseen"],
        "share": counts["unseen"] / total if total else 0.0,
        "other_type": counts["other_type"],
        "per_type": dict(sorted(per_type.items())),
    }


def nearly_leaked(splits: Splits) -> dict[str, int]:
    """For valid and test, the number of sentences whose text nearly equals a text of an earlier split.

    Width, case, spaces and punctuation are ignored. Sentences with exactly the same text are not counted.
    """
    found: dict[str, int] = {}
    earlier = earlier_cores = hashes(())
    for split, sentences in splits.items():
        texts = hashes(sentence.text for sentence in sentences)
        cores = hashes(bare(sentence.text) for sentence in sentences)
        if split != "train":
            near = among(cores, earlier_cores) & (cores != hash("")) & ~among(texts, earlier)
            found[split] = int(near.sum())
        earlier, earlier_cores = np.concatenate([earlier, texts]), np.concatenate([earlier_cores, cores])
    return found


def _keys(sentences: Sequence[Sentence], with_type: bool) -> Iterator[Hashable]:
    """The surface of each entity, with its type if asked for."""
    for sentence in sentences:
        for entity in sentence.entities:
            surface = entity.surface(sentence.text)
            yield (surface, entity.type) if with_type else surface


def _long_surfaces(sentences: Sequence[Sentence]) -> Iterator[str]:
    """The surfaces of two characters or more."""
    return (e.surface(s.text) for s in sentences for e in s.entities if e.end - e.start > 1)


def _labels(sentence: Sentence) -> tuple[Entity, ...]:
    return tuple(sorted(sentence.entities))


def _covered(sentence: Sentence) -> list[bool]:
    covered = [False] * len(sentence.text)
    for entity in sentence.entities:
        covered[entity.start : entity.end] = [True] * (entity.end - entity.start)
    return covered
