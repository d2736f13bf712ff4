"""Every legal tag sequence of a short window, with its score: the oracle of linear chains."""

import itertools
from collections.abc import Iterator, Sequence

from clue_ner.core.schemes import Scheme

LENGTHS = [5, 1, 4, 2, 3, 2, 4, 3, 1, 2]
CHAINS = [("BIO", ["LOC", "PER"]), ("BIOES", ["LOC"]), ("BILOU", ["LOC"])]
"""Schemes and types that have five tags, so that all sequences of ``LENGTHS`` can be written down."""


def legal_paths(scheme: Scheme, tags: Sequence[str], length: int) -> Iterator[tuple[int, ...]]:
    """The ids of the tags of every sequence that the scheme allows."""
    for path in itertools.product(range(len(tags)), repeat=length):
        if all(scheme.allowed(*pair) for pair in itertools.pairwise([None, *(tags[tag] for tag in path), None])):
            yield path


def scored_paths(
    scheme: Scheme,
    tags: Sequence[str],
    emissions: list[list[float]],
    start: list[float],
    transitions: list[list[float]],
    end: list[float],
) -> Iterator[tuple[tuple[int, ...], float]]:
    """All legal sequences of a window and their scores, computed one term at a time.

    ``emissions`` is [U][L], of one window; ``transitions`` [L][L] from-to; ``start`` and ``end`` [L].
    """
    for path in legal_paths(scheme, tags, len(emissions)):
        score = start[path[0]] + end[path[-1]] + sum(emissions[unit][tag] for unit, tag in enumerate(path))
        yield path, score + sum(transitions[a][b] for a, b in itertools.pairwise(path))
