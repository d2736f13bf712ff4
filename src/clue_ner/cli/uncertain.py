"""The texts whose labels would teach a model most: those that it is least sure of, near-duplicates left out."""

import heapq
import math
from collections import Counter, defaultdict
from typing import Generic, TypeVar

from clue_ner.common.texts import bare

SIMILAR = 0.5
"""Two texts are near-duplicates if they share this much of the stretches of three letters or digits that either has."""
CANDIDATES, LEAST = 20, 1000
"""So many times the texts that are wanted are kept meanwhile, and at least so many."""

_Item = TypeVar("_Item")


def uncertainty(doubt: float, text: str) -> float:
    """``Reading.doubt``, the expected number of wrong decisions, over the square root of the characters.

    The number itself would prefer the longest texts, and that for a character the shortest.
    """
    return doubt / math.sqrt(max(1, len(text)))


class Uncertain(Generic[_Item]):
    """Takes texts one by one, and has the most uncertain of them in the end; memory depends on ``wanted`` alone."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._size = max(LEAST, CANDIDATES * wanted)
        self._heap: list[tuple[float, int, str, _Item]] = []
        """uncertainty, minus the place in the input, letters and digits, item; the least uncertain and last first"""
        self._kept: set[str] = set()
        self._seen = 0

    def add(self, uncertain: float, text: str, item: _Item) -> None:
        """Note a text; one without letters and digits, or the same as another but for the rest, does not count."""
        self._seen += 1
        letters = bare(text)
        if not letters or letters in self._kept:
            return
        entry = (uncertain, -self._seen, letters, item)
        self._kept.add(letters)
        if len(self._heap) < self._size:
            heapq.heappush(self._heap, entry)
        else:
            self._kept.remove(heapq.heappushpop(self._heap, entry)[2])

    def chosen(self) -> list[tuple[float, _Item]]:
        """The uncertainty and the item of at most as many texts as are wanted, the most uncertain first."""
        found: list[tuple[float, _Item]] = []
        having: dict[str, list[int]] = defaultdict(list)
        sizes: list[int] = []
        for uncertain, _, letters, item in sorted(self._heap, key=lambda entry: entry[:2], reverse=True):
            if len(found) == self._wanted:
                break
            parts = {letters[at : at + 3] for at in range(max(1, len(letters) - 2))}
            shared = Counter(number for part in parts for number in having[part])
            if all(both < SIMILAR * (len(parts) + sizes[number] - both) for number, both in shared.items()):
                for part in parts:
                    having[part].append(len(found))
                sizes.append(len(parts))
                found.append((uncertain, item))
        return found
