"""Tokens with tags: the tag scheme, the text that the tokens form, and its entities."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from clue_ner.core.schemes import ALIASES, OUTSIDE, SCHEMES, Scheme
from clue_ner.layouts._source import RawEntity, Source

TAG = re.compile(r"O|[A-Z]-\S+")
LENIENT = "sentences whose tags break the scheme, read leniently"
ADVICE = "fix them, or read any run of one type as an entity with option tags: lenient"

_WORD = re.compile(r"[A-Za-z0-9_]", re.ASCII)

Pair = tuple[str, str]
"""Two neighbouring tags; the tag beyond each end of a sentence is O, as in ``Scheme.allowed``"""


class Tags:
    """All tag pairs of a file, from which its scheme is inferred, and whether its tokens are characters.

    In every scheme, a sequence is legal if each pair of neighbours is legal, and a pair determines whether an entity
    continues. So the set of pairs is sufficient: two schemes that agree on all pairs give the same entities.
    """

    def __init__(self) -> None:
        self.pairs: set[Pair] = set()
        self.characters = True
        """whether every token is at most one character long"""

    def add(self, tokens: Sequence[str], tags: Sequence[str]) -> None:
        """Add a sentence."""
        self.pairs.update(pairwise([OUTSIDE, *tags, OUTSIDE]))
        self.characters = self.characters and all(len(token) == 1 for token in tokens)

    def candidates(self, lenient: bool) -> list[Scheme]:
        """The schemes in which all pairs are legal; with ``lenient``, those that have all the prefixes."""
        return [scheme for scheme in SCHEMES.values() if self._fits(scheme, lenient)]

    def _fits(self, scheme: Scheme, lenient: bool) -> bool:
        if lenient:
            return self.prefixes <= set(scheme.prefixes)
        return all(tag_allowed(scheme, *pair) for pair in self.pairs)

    @property
    def prefixes(self) -> set[str]:
        """The prefixes of all tags except O."""
        return {tag.partition("-")[0] for pair in self.pairs for tag in pair if tag != OUTSIDE}

    def agree(self, one: Scheme, other: Scheme, lenient: bool) -> bool:
        """Whether two schemes that fit give the same entities."""
        goes_on = _goes_on_leniently if lenient else Scheme.continues
        return all(goes_on(one, *pair) == goes_on(other, *pair) for pair in self.pairs)


def tag_allowed(scheme: Scheme, left: str, right: str) -> bool:
    """Whether both tags belong to the scheme and ``right`` may follow ``left``."""
    prefixes = (OUTSIDE, *scheme.prefixes)
    known = left.partition("-")[0] in prefixes and right.partition("-")[0] in prefixes
    return known and scheme.allowed(left, right)


def _goes_on_leniently(scheme: Scheme, left: str, right: str) -> bool:
    same = left != OUTSIDE and right != OUTSIDE and left.partition("-")[2] == right.partition("-")[2]
    return same and not scheme.only_begins(right) and not scheme.only_ends(left)


def chosen(tags: Tags, source: Source) -> tuple[Scheme | None, str]:
    """The scheme of a file, set by option or detected; None and the reason if it cannot be determined."""
    asked, lenient = source.options.get("scheme", "auto"), source.options.get("tags") == "lenient"
    if asked != "auto":
        return SCHEMES[ALIASES.get(asked, asked)], ""
    found = tags.candidates(lenient)
    if not found:
        having = [scheme.name for scheme in SCHEMES.values() if tags.prefixes <= set(scheme.prefixes)]
        if not having:
            listed = ", ".join(sorted(tags.prefixes))
            return None, f"no scheme has all of the prefixes {listed}; there are {', '.join(SCHEMES)}"
        return None, f"the tags are those of {' or '.join(having)}, and break each of them; name one with option scheme"
    for other in found[1:]:
        if not tags.agree(found[0], other, lenient):
            return None, (
                f"{found[0].name} and {other.name} both fit the tags and read other entities; "
                "name the right one with option scheme"
            )
    return found[0], ""


def joined(tokens: Sequence[str], characters: bool) -> tuple[str, list[int]]:
    """The text that tokens form, and the offset of each token in it.

    Words are separated by a space between ASCII letters, digits or underscores; all other tokens are concatenated.

    >>> joined(["在", "New", "York", "见"], False), joined(["N", "B", "A"], True)
    (('在New York见', [0, 1, 5, 9]), ('NBA', [0, 1, 2]))
    """
    text, starts, length = [], [], 0
    before = ""
    for token in tokens:
        if not characters and before and _WORD.match(before[-1]) and _WORD.match(token):
            text.append(" ")
            length += 1
        starts.append(length)
        text.append(token)
        length += len(token)
        before = token
    return "".join(text), starts


def entities_of(
    scheme: Scheme, tokens: Sequence[str], tags: Sequence[str], starts: Sequence[int], lenient: bool
) -> list[RawEntity]:
    """The entities of tagged tokens, with offsets in their text."""
    spans = scheme.decode_lenient(tags) if lenient else scheme.decode(tags)
    return [(starts[first], starts[end - 1] + len(tokens[end - 1]), type_, None, None) for first, end, type_ in spans]


def illegal(scheme: Scheme, tags: Sequence[str]) -> Iterable[tuple[int, str]]:
    """Where a sequence breaks the scheme: the index of the tag, and the reason."""
    for index, (left, right) in enumerate(pairwise([OUTSIDE, *tags, OUTSIDE])):
        if not tag_allowed(scheme, left, right):
            at_end = index == len(tags)
            if right.partition("-")[0] not in (OUTSIDE, *scheme.prefixes):
                yield index, f"{right} is no tag of {scheme.name}, which has {', '.join(scheme.prefixes)} and O"
            elif left.partition("-")[0] in (OUTSIDE, *scheme.prefixes):
                what = f"{left} ends the sentence" if at_end else f"{right} after {left if index else 'the beginning'}"
                yield min(index, len(tags) - 1), f"{what}, which {scheme.name} does not allow"
