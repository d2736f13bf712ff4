"""Texts as 64-bit hashes in arrays: a check that needs all texts of a corpus then takes 8 bytes a text.

Two of a million texts share a hash in one of 37 million runs. Where texts are looked for that occur more than once,
a hash only says which come into question.
"""

from collections.abc import Hashable, Iterable

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.int64]
_TYPES = 16
"""Bits of a number that say the type."""


def hashes(values: Iterable[Hashable]) -> Hashes:
    """The hash of each value [N]; they are those of this process, so they are not to be stored."""
    return np.fromiter(map(hash, values), np.int64)


def among(values: Hashes, known: Hashes) -> npt.NDArray[np.bool_]:
    """Whether each of ``values`` [N] is one of ``known`` [M], which gets sorted."""
    if not len(known):
        return np.zeros(len(values), np.bool_)
    known.sort()
    places = np.searchsorted(known, values)
    np.minimum(places, len(known) - 1, out=places)
    found: npt.NDArray[np.bool_] = known[places] == values
    return found


def repeated(values: Iterable[Hashable], times: int = 2) -> set[int]:
    """The hashes of the values that occur ``times`` times or more."""
    ordered = hashes(values)
    ordered.sort()
    last = ordered[times - 1 :]
    return set(np.unique(last[last == ordered[: len(last)]]).tolist())


class SeveralTypes:
    """The surfaces that come into question for having more than one type: ``surface in ...``."""

    def __init__(self, entities: Iterable[tuple[str, str]]) -> None:
        numbers: dict[str, int] = {}
        found = np.unique(
            np.fromiter(
                (
                    _beginning(surface) << _TYPES | numbers.setdefault(type_, len(numbers))
                    for surface, type_ in entities
                ),
                np.int64,
            )
        )
        found >>= _TYPES
        self._found = set(found[1:][found[1:] == found[:-1]].tolist())

    def __contains__(self, surface: str) -> bool:
        return _beginning(surface) in self._found


def _beginning(text: str) -> int:
    """The hash of a text without its last bits."""
    return hash(text) >> _TYPES
