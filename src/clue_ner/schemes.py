"""Tag schemes as tables over one engine: spans to tags, tags to spans, legal transitions.

A scheme names a prefix for each place a token can have in an entity: the only one (``single``), the first, one in the
middle, the last. The engine derives the rest. Spans are in units (characters or tokens), start inclusive, end
exclusive.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

OUTSIDE = "O"

Span = tuple[int, int, str]
"""start (inclusive), end (exclusive), type"""


@dataclass(frozen=True, slots=True)
class Scheme:
    """The prefixes of one tag dialect.

    >>> SCHEMES["BIO"].encode([(0, 2, "LOC"), (2, 4, "LOC")], 5)
    ['B-LOC', 'I-LOC', 'B-LOC', 'I-LOC', 'O']
    """

    name: str
    single: str
    first: str
    middle: str
    last: str

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The prefixes in use, each once, first to last place of an entity."""
        return tuple(dict.fromkeys((self.first, self.middle, self.last, self.single)))

    def tags(self, types: Iterable[str]) -> list[str]:
        """The label list, ``O`` first, then type by type in sorted order; the index is the id.

        >>> SCHEMES["BIO"].tags(["name", "address"])
        ['O', 'B-address', 'I-address', 'B-name', 'I-name']
        """
        return [OUTSIDE, *(f"{prefix}-{type_}" for type_ in sorted(set(types)) for prefix in self.prefixes)]

    def encode(self, spans: Iterable[Span], length: int) -> list[str]:
        """Tags of ``length`` units; raises ValueError for spans that overlap or lie outside."""
        tags = [OUTSIDE] * length
        for start, end, type_ in sorted(spans):
            if not 0 <= start < end <= length:
                raise ValueError(f"span [{start}, {end}) is not inside [0, {length})")
            if any(tag != OUTSIDE for tag in tags[start:end]):
                raise ValueError(f"span [{start}, {end}) {type_} overlaps another: {self.name} tags are flat")
            for position in range(start, end):
                tags[position] = f"{self._prefix(position == start, position == end - 1)}-{type_}"
        return tags

    def decode(self, tags: Sequence[str]) -> list[Span]:
        """Entities of a tag sequence, strictly: a run that breaks the scheme is no entity.

        >>> SCHEMES["BIO"].decode(["O", "I-PER", "B-PER", "I-PER", "I-LOC"])
        [(2, 4, 'PER')]
        """
        spans: list[Span] = []
        start: int | None = None
        for position, tag in enumerate(tags):
            following = tags[position + 1] if position + 1 < len(tags) else OUTSIDE
            if start is not None and not self.continues(tags[position - 1], tag):
                start = None
            if self.starts(tag):
                start = position
            if start is not None and self._ends(tag, following):
                spans.append((start, position + 1, tag.partition("-")[2]))
                start = None
        return spans

    def decode_lenient(self, tags: Sequence[str]) -> list[Span]:
        """Entities as seqeval's default mode and conlleval read them: any run of one type, begun by any prefix.

        A run is split before a tag that only begins entities and after one that only ends them.

        >>> SCHEMES["BIO"].decode_lenient(["O", "I-PER", "B-PER", "I-PER", "I-LOC"])
        [(1, 2, 'PER'), (2, 4, 'PER'), (4, 5, 'LOC')]
        """
        spans: list[Span] = []
        split = True
        for position, tag in enumerate(tags):
            prefix, _, type_ = tag.partition("-")
            if tag == OUTSIDE:
                split = True
                continue
            if split or prefix in (self.first, self.single) or spans[-1][2] != type_:
                spans.append((position, position + 1, type_))
            else:
                spans[-1] = (spans[-1][0], position + 1, type_)
            split = prefix in (self.last, self.single) and prefix not in (self.first, self.middle)
        return spans

    def starts(self, tag: str) -> bool:
        """Whether an entity may begin with ``tag``."""
        return tag.partition("-")[0] in (self.first, self.single)

    def continues(self, left: str, right: str) -> bool:
        """Whether ``right`` may go on with the entity that ``left`` is in."""
        (prefix, _, type_), (next_prefix, _, next_type) = left.partition("-"), right.partition("-")
        inside = prefix in (self.first, self.middle) and next_prefix in (self.middle, self.last)
        return inside and type_ == next_type

    def allowed(self, left: str | None, right: str | None) -> bool:
        """Whether ``right`` may follow ``left``; None is the edge of the text."""
        left, right = left or OUTSIDE, right or OUTSIDE
        if self.continues(left, right):
            return True
        closed = left == OUTSIDE or left.partition("-")[0] in (self.last, self.single)
        opens = right == OUTSIDE or self.starts(right)
        return closed and opens

    def transitions(self, tags: Sequence[str]) -> tuple[list[list[bool]], list[bool], list[bool]]:
        """What may follow what: the L x L matrix [from][to], the tags that may begin a text, those that may end it."""
        matrix = [[self.allowed(left, right) for right in tags] for left in tags]
        return matrix, [self.allowed(None, tag) for tag in tags], [self.allowed(tag, None) for tag in tags]

    def _prefix(self, is_first: bool, is_last: bool) -> str:
        if is_first:
            return self.single if is_last else self.first
        return self.last if is_last else self.middle

    def _ends(self, tag: str, following: str) -> bool:
        """Whether the entity that ``tag`` is in ends here."""
        return tag.partition("-")[0] in (self.last, self.single) and not self.continues(tag, following)


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme("BIO", single="B", first="B", middle="I", last="I"),
        Scheme("BIOES", single="S", first="B", middle="I", last="E"),
        Scheme("BMES", single="S", first="B", middle="M", last="E"),
        Scheme("BILOU", single="U", first="B", middle="I", last="L"),
    )
}
