"""Matches another system's predictions to the gold sentences."""

from collections.abc import Sequence
from typing import NamedTuple

from clue_ner.common.problems import Problems
from clue_ner.core.entities import Entity, Sentence

ADVICE = (
    "wanted a prediction for each gold sentence with the same text, matched by id where all sentences of both files "
    "have one, and otherwise by order; fix the file of predictions, or name the one that belongs to this gold"
)


class Placed(NamedTuple):
    """A sentence of a file, and its place there."""

    where: str
    """``file:line``"""
    sentence: Sentence
    """its id is empty if the file has none"""
    labelled: bool
    """False if the file has no labels for this sentence"""


def match(gold: Sequence[Placed], predicted: Sequence[Placed]) -> tuple[list[Sentence], list[tuple[Entity, ...]]]:
    """The labelled gold sentences, and the entities predicted for each.

    They are matched by id if all sentences have one and at least one id is in both files, else by order. Raises
    CorpusError with file and line of each sentence without a match, of matches whose texts differ, and of predictions
    without labels.
    """
    problems = Problems()
    pairs = _by_id(gold, predicted, problems) if _share_ids(gold, predicted) else _by_order(gold, predicted, problems)
    matched = []
    for wanted, found in pairs:
        if found.sentence.text != wanted.sentence.text:
            problems.add(f"{found.where}: another text than {wanted.where}: {_difference(found, wanted)}")
        elif not found.labelled:
            problems.add(f"{found.where}: has no entities; write an empty list if there are none")
        matched.append((wanted, found))
    problems.refuse(ADVICE)
    scored = [(wanted.sentence, found.sentence.entities) for wanted, found in matched if wanted.labelled]
    return [sentence for sentence, _ in scored], [entities for _, entities in scored]


def _share_ids(gold: Sequence[Placed], predicted: Sequence[Placed]) -> bool:
    ids = [[placed.sentence.id for placed in placed_all] for placed_all in (gold, predicted)]
    return all(map(all, ids)) and not set(ids[0]).isdisjoint(ids[1])


def _by_id(gold: Sequence[Placed], predicted: Sequence[Placed], problems: Problems) -> list[tuple[Placed, Placed]]:
    by_id: dict[str, Placed] = {}
    known = {placed.sentence.id: placed for placed in gold}
    for placed in predicted:
        sentence_id = placed.sentence.id
        if sentence_id in by_id:
            problems.add(f"{placed.where}: id {sentence_id!r} is that of {by_id[sentence_id].where} already")
        elif sentence_id not in known:
            problems.add(f"{placed.where}: no gold sentence has the id {sentence_id!r}")
        by_id.setdefault(sentence_id, placed)
    for placed in gold:
        if placed.sentence.id not in by_id:
            problems.add(f"{placed.where}: nothing is predicted for id {placed.sentence.id!r}")
    return [(placed, by_id[placed.sentence.id]) for placed in gold if placed.sentence.id in by_id]


def _by_order(gold: Sequence[Placed], predicted: Sequence[Placed], problems: Problems) -> list[tuple[Placed, Placed]]:
    for more, what in (
        (gold[len(predicted) :], "nothing is predicted for it"),
        (predicted[len(gold) :], "there is no gold for it"),
    ):
        if more:
            after = f", nor for the {len(more) - 1} after it" if len(more) > 1 else ""
            problems.add(
                f"{more[0].where}: {what}{after}; there are {len(gold)} gold sentences and {len(predicted)} predictions"
            )
    return list(zip(gold, predicted))


def _difference(found: Placed, wanted: Placed) -> str:
    """Both texts from a little before the first difference."""
    texts = found.sentence.text, wanted.sentence.text
    at = next((i for i, (a, b) in enumerate(zip(*texts)) if a != b), min(map(len, texts)))
    shown = (repr(text[max(0, at - 10) : at + 20]) for text in texts)
    return f"{' and '.join(shown)}, from character {max(0, at - 10)} on"
