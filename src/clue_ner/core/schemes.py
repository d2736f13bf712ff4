"""Tag schemes: spans to tags, tags to spans, legal transitions, computed from a table for each scheme.

A scheme has a prefix for each position of a unit in an entity: the only one (``single``), the first, one in the
middle, the last. Two schemes of Tjong Kim Sang and Veenstra 1999 mark an edge only where two entities of one type
are adjacent: IOB1 the first unit of the second (``touching_first``), IOE1 the last of the first (``touching_last``).
The rest is derived from these prefixes. Spans are in units (characters or tokens), start inclusive, end exclusive.

Every scheme here separates adjacent entities. In every scheme a sequence is legal if each pair of neighbours is, with
``O`` beyond the edges of the text, so a matrix of pairs defines legality. Round trip and matrix are tested
exhaustively.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

OUTSIDE = "O"
PLACES = ("touching_first", "first", "middle", "last", "touching_last", "single")
"""Where a unit can be in an entity, first to last: the fields of ``Scheme`` that hold prefixes."""

Span = tuple[int, int, str]
"""start (inclusive), end (exclusive), type"""


@dataclass(frozen=True, slots=True)
class Scheme:
    """The prefixes of one tag scheme, and its name in seqeval, if it has one.

    >>> SCHEMES["BIO"].encode([(0, 2, "LOC"), (2, 4, "LOC")], 5)
    ['B-LOC', 'I-LOC', 'B-LOC', 'I-LOC', 'O']
    """

    name: str
    single: str
    first: str
    middle: str
    last: str
    touching_first: str | None = None
    touching_last: str | None = None
    seqeval: str | None = None

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The prefixes in use, each once, first to last place of an entity."""
        places = (getattr(self, place) for place in PLACES)
        return tuple(dict.fromkeys(prefix for prefix in places if prefix is not None))

    def meaning(self, tag: str) -> tuple[str, ...]:
        """The type of ``tag`` and the places that its prefix stands for, whatever letter the scheme has for them.

        >>> SCHEMES["BIOES"].meaning("E-name"), SCHEMES["BILOU"].meaning("L-name"), SCHEMES["BIO"].meaning("I-name")
        (('name', 'last'), ('name', 'last'), ('name', 'middle', 'last'))
        """
        prefix, _, type_ = tag.partition("-")
        return (type_, *(place for place in PLACES if getattr(self, place) == prefix))

    def tags(self, types: Iterable[str]) -> list[str]:
        """The label list, ``O`` first, then type by type in sorted order; the index is the id.

        >>> SCHEMES["BIO"].tags(["name", "address"])
        ['O', 'B-address', 'I-address', 'B-name', 'I-name']
        """
        return [OUTSIDE, *(f"{prefix}-{type_}" for type_ in sorted(set(types)) for prefix in self.prefixes)]

    def encode(self, spans: Iterable[Span], length: int) -> list[str]:
        """Tags of ``length`` units.

        Raises ValueError for spans that overlap, are outside, or are adjacent if the scheme would merge them.
        """
        tags = [OUTSIDE] * length
        ordered = sorted(spans)
        starts = {(start, type_) for start, _, type_ in ordered}
        ends = {(end, type_) for _, end, type_ in ordered}
        for start, end, type_ in ordered:
            if not 0 <= start < end <= length:
                raise ValueError(f"span [{start}, {end}) is not inside [0, {length})")
            if any(tag != OUTSIDE for tag in tags[start:end]):
                raise ValueError(f"span [{start}, {end}) {type_} overlaps another: {self.name} tags are flat")
            for position in range(start, end):
                tags[position] = f"{self._prefix(position == start, position == end - 1)}-{type_}"
            if self.touching_first and (start, type_) in ends:
                tags[start] = f"{self.touching_first}-{type_}"
            if self.touching_last and (end, type_) in starts:
                tags[end - 1] = f"{self.touching_last}-{type_}"
            if start and self.continues(tags[start - 1], tags[start]):
                raise ValueError(f"span [{start}, {end}) {type_} touches another: {self.name} tags make them one")
        return tags

    def decode(self, tags: Sequence[str]) -> list[Span]:
        """Decode a tag sequence strictly: a run that breaks the scheme is not an entity.

        >>> SCHEMES["BIO"].decode(["O", "I-PER", "B-PER", "I-PER", "I-LOC"])
        [(2, 4, 'PER')]
        """
        spans: list[Span] = []
        start: int | None = None
        for position, tag in enumerate(tags):
            left = tags[position - 1] if position else OUTSIDE
            right = tags[position + 1] if position + 1 < len(tags) else OUTSIDE
            if start is not None and not self.continues(left, tag):
                start = None
            if start is None and self.opens(left, tag):
                start = position
            if start is not None and not self.continues(tag, right) and self.closes(tag, right):
                spans.append((start, position + 1, tag.partition("-")[2]))
                start = None
        return spans

    def decode_lenient(self, tags: Sequence[str]) -> list[Span]:
        """Decode as seqeval's default mode and conlleval: any run of one type is an entity, whatever its first prefix.

        A run is split before a tag that can only begin an entity and after one that can only end it.

        >>> SCHEMES["BIO"].decode_lenient(["O", "I-PER", "B-PER", "I-PER", "I-LOC"])
        [(1, 2, 'PER'), (2, 4, 'PER'), (4, 5, 'LOC')]
        """
        spans: list[Span] = []
        split = True
        for position, tag in enumerate(tags):
            type_ = tag.partition("-")[2]
            if tag == OUTSIDE:
                split = True
                continue
            if split or self.only_begins(tag) or spans[-1][2] != type_:
                spans.append((position, position + 1, type_))
            else:
                spans[-1] = (spans[-1][0], position + 1, type_)
            split = self.only_ends(tag)
        return spans

    def only_begins(self, tag: str) -> bool:
        """Whether ``tag`` can only begin an entity: it is never inside one or at the end of a longer one."""
        prefix = tag.partition("-")[0]
        return prefix in (self.first, self.single, self.touching_first) and prefix not in (self.middle, self.last)

    def only_ends(self, tag: str) -> bool:
        """Whether ``tag`` can only end an entity: it is never inside one or at the beginning of a longer one."""
        prefix = tag.partition("-")[0]
        return prefix in (self.last, self.single, self.touching_last) and prefix not in (self.first, self.middle)

    def continues(self, left: str, right: str) -> bool:
        """Whether ``right`` continues the entity of ``left``."""
        (prefix, _, type_), (next_prefix, _, next_type) = left.partition("-"), right.partition("-")
        inside = prefix in (self.first, self.middle, self.touching_first)
        return inside and next_prefix in (self.middle, self.last, self.touching_last) and type_ == next_type

    def opens(self, left: str, right: str) -> bool:
        """Whether an entity may begin with ``right`` after ``left``."""
        prefix, _, type_ = right.partition("-")
        if prefix == self.touching_first:
            return left.partition("-")[2] == type_
        return prefix in (self.first, self.single, self.touching_last)

    def closes(self, left: str, right: str) -> bool:
        """Whether an entity may end with ``left`` before ``right``."""
        prefix, _, type_ = left.partition("-")
        if prefix == self.touching_last:
            return right.partition("-")[2] == type_
        return prefix in (self.last, self.single, self.touching_first)

    def allowed(self, left: str | None, right: str | None) -> bool:
        """Whether ``right`` may follow ``left``; None is the edge of the text."""
        left, right = left or OUTSIDE, right or OUTSIDE
        if self.continues(left, right):
            return True
        return (left == OUTSIDE or self.closes(left, right)) and (right == OUTSIDE or self.opens(left, right))

    def transitions(self, tags: Sequence[str]) -> tuple[list[list[bool]], list[bool], list[bool]]:
        """Legal transitions: the matrix [L][L] from-to, the tags that may begin a text, and those that may end it."""
        matrix = [[self.allowed(left, right) for right in tags] for left in tags]
        return matrix, [self.allowed(None, tag) for tag in tags], [self.allowed(tag, None) for tag in tags]

    def _prefix(self, is_first: bool, is_last: bool) -> str:
        if is_first:
            return self.single if is_last else self.first
        return self.last if is_last else self.middle


SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme("BIO", single="B", first="B", middle="I", last="I", seqeval="IOB2"),
        Scheme("IOB1", single="I", first="I", middle="I", last="I", touching_first="B", seqeval="IOB1"),
        Scheme("IOE1", single="I", first="I", middle="I", last="I", touching_last="E", seqeval="IOE1"),
        Scheme("IOE2", single="E", first="I", middle="I", last="E", seqeval="IOE2"),
        Scheme("BIOES", single="S", first="B", middle="I", last="E", seqeval="IOBES"),
        Scheme("BMES", single="S", first="B", middle="M", last="E"),
        Scheme("BILOU", single="U", first="B", middle="I", last="L", seqeval="BILOU"),
        Scheme("BIOS", single="S", first="B", middle="I", last="I"),
    )
}
ALIASES = {"IOB2": "BIO", "IOBES": "BIOES"}
"""Other names of the same schemes, which params.yaml may use."""


def types_of_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """The entity types of a label list, in its order; the index is the type's id.

    >>> types_of_tags(["O", "B-address", "I-address", "B-name", "I-name"])
    ('address', 'name')
    """
    return tuple(dict.fromkeys(tag.partition("-")[2] for tag in tags if tag != OUTSIDE))
