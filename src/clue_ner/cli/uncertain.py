"""Active learning: selects the texts about which a model is most uncertain, without near-duplicates."""

import heapq
import math
from collections import Counter, defaultdict
from typing import Generic, TypeVar

from clue_ner.common.texts import bare

SIMILAR = 0.5
"""Two texts with at least this Jaccard similarity of their sequences of three letters or digits are near-duplicates."""
CANDIDATES, LEAST = 20, 1000
"""Number of candidates that are kept, as a multiple of the wanted texts, and its minimum."""

_Item = TypeVar("_Item")


def uncertainty(doubt: float, text: str) -> float:
    """``Reading.doubt``, the expected number of wrong decisions, over the square root of the characters.

    The number itself would prefer the longest texts, and that for a character the shortest.
    """
    return doubt / math.sqrt(max(1, len(text)))


class Uncertain(Generic[_Item]):
    """Collects the most uncertain of the texts that are added; memory depends only on ``wanted``."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._size = max(LEAST, CANDIDATES * wanted)
        self._heap: list[tuple[float, int, str, _Item]] = []
        """uncertainty, minus the place in the input, letters and digits, item; the least uncertain and last first"""
        self._kept: set[str] = set()
        self._seen = 0

    def add(self, uncertain: float, text: str, item: _Item) -> None:
        """Add a text; it is ignored if it has no letters or digits, or the same ones as another text."""
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
        """The uncertainty and the item of at most ``wanted`` texts, the most uncertain first."""
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
