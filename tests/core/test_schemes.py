"""Tag schemes: golden cases, truth tables, round trips, and agreement with seqeval."""

import itertools
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval import scheme as seqeval_schemes
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import Tokens
from support.places import GOLDEN
from support.strategies import spans

from clue_ner.core.schemes import ALIASES, SCHEMES, Scheme, Span, types_of_tags

SPANS = sorted(GOLDEN.glob("schemes/*.json"))
SEQUENCES = sorted(GOLDEN.glob("sequences/*.json"))
SEQEVAL = {scheme.name: getattr(seqeval_schemes, scheme.seqeval) for scheme in SCHEMES.values() if scheme.seqeval}
TYPES = ["LOC", "PER"]


def _read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def _tuples(values: list[list[Any]]) -> list[Span]:
    return [(start, end, type_) for start, end, type_ in values]


def test_schemes_golden_cases_are_all_there() -> None:
    assert len(SPANS) == 5
    assert len(SEQUENCES) == 8
    assert set(SCHEMES) == {name for path in SPANS for name in _read(path)["tags"]}


@pytest.mark.parametrize("path", SPANS, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", SCHEMES)
def test_schemes_golden_spans(name: str, path: Path) -> None:
    case = _read(path)
    tags = case["tags"][name].split()
    assert len(tags) == len(case["text"])
    assert SCHEMES[name].encode(_tuples(case["spans"]), len(tags)) == tags
    assert SCHEMES[name].decode(tags) == _tuples(case["spans"])
    assert SCHEMES[name].decode_lenient(tags) == _tuples(case["spans"])


@pytest.mark.parametrize("path", SEQUENCES, ids=lambda path: path.stem)
def test_schemes_golden_sequences(path: Path) -> None:
    case = _read(path)
    scheme = SCHEMES[case["scheme"]]
    assert scheme.decode(case["tags"].split()) == _tuples(case["strict"])
    assert scheme.decode_lenient(case["tags"].split()) == _tuples(case["lenient"])


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("BIO", "O B-LOC I-LOC B-PER I-PER"),
        ("IOB1", "O B-LOC I-LOC B-PER I-PER"),
        ("IOE1", "O I-LOC E-LOC I-PER E-PER"),
        ("IOE2", "O I-LOC E-LOC I-PER E-PER"),
        ("BIOS", "O B-LOC I-LOC S-LOC B-PER I-PER S-PER"),
        ("BIOES", "O B-LOC I-LOC E-LOC S-LOC B-PER I-PER E-PER S-PER"),
        ("BMES", "O B-LOC M-LOC E-LOC S-LOC B-PER M-PER E-PER S-PER"),
        ("BILOU", "O B-LOC I-LOC L-LOC U-LOC B-PER I-PER L-PER U-PER"),
    ],
)
def test_schemes_tags_are_sorted_whatever_the_order_of_types(name: str, tags: str) -> None:
    assert SCHEMES[name].tags(["PER", "LOC", "PER"]) == SCHEMES[name].tags({"LOC", "PER"}) == tags.split()


@pytest.mark.parametrize("name", SCHEMES)
def test_schemes_types_of_tags_are_those_that_the_tags_were_made_for(name: str) -> None:
    types = ["公司", "job-title", "PER", "LOC"]
    assert types_of_tags(SCHEMES[name].tags(types)) == tuple(sorted(types))
    assert types_of_tags(reversed(SCHEMES[name].tags(types))) == tuple(sorted(types, reverse=True))
    assert types_of_tags(SCHEMES[name].tags([])) == ()


def test_schemes_bio_has_b_at_odd_and_i_at_even_ids() -> None:
    types = ["game", "scene", "address", "book"]
    tags = SCHEMES["BIO"].tags(types)
    for i, type_ in enumerate(sorted(types), 1):
        assert (tags[2 * i - 1], tags[2 * i]) == (f"B-{type_}", f"I-{type_}")


# Rows: what stands before; columns: what comes next. X and Y are types; ^ and $ are the edges of the text.
BIO_TABLE = """
       O  B-X I-X B-Y I-Y  $
^      +   +   .   +   .   +
O      +   +   .   +   .   +
B-X    +   +   +   +   .   +
I-X    +   +   +   +   .   +
"""
IOB1_TABLE = """
       O  B-X I-X B-Y I-Y  $
^      +   .   +   .   +   +
O      +   .   +   .   +   +
B-X    +   +   +   .   +   +
I-X    +   +   +   .   +   +
"""
IOE1_TABLE = """
       O  I-X E-X I-Y E-Y  $
^      +   +   +   +   +   +
O      +   +   +   +   +   +
I-X    +   +   +   +   +   +
E-X    .   +   +   .   .   .
"""
IOE2_TABLE = """
       O  I-X E-X I-Y E-Y  $
^      +   +   +   +   +   +
O      +   +   +   +   +   +
I-X    .   +   +   .   .   .
E-X    +   +   +   +   +   +
"""
BIOS_TABLE = """
       O  B-X I-X S-X B-Y I-Y S-Y  $
^      +   +   .   +   +   .   +   +
O      +   +   .   +   +   .   +   +
B-X    .   .   +   .   .   .   .   .
I-X    +   +   +   +   +   .   +   +
S-X    +   +   .   +   +   .   +   +
"""
LONG_TABLE = """
       O  B-X I-X E-X S-X B-Y I-Y E-Y S-Y  $
^      +   +   .   .   +   +   .   .   +   +
O      +   +   .   .   +   +   .   .   +   +
B-X    .   .   +   +   .   .   .   .   .   .
I-X    .   .   +   +   .   .   .   .   .   .
E-X    +   +   .   .   +   +   .   .   +   +
S-X    +   +   .   .   +   +   .   .   +   +
"""
LONG = {"BIOES": "BIES", "BMES": "BMES", "BILOU": "BILU"}
TABLES = {
    "BIO": BIO_TABLE,
    "IOB1": IOB1_TABLE,
    "IOE1": IOE1_TABLE,
    "IOE2": IOE2_TABLE,
    "BIOS": BIOS_TABLE,
    **{name: LONG_TABLE.translate(str.maketrans("BIES", prefixes)) for name, prefixes in LONG.items()},
}


@pytest.mark.parametrize("name", SCHEMES)
def test_schemes_truth_table_of_transitions(name: str) -> None:
    header, *rows = (line.split() for line in TABLES[name].strip().splitlines())
    for left, *cells in rows:
        for right, cell in zip(header, cells, strict=True):
            pair = (None if left == "^" else left, None if right == "$" else right)
            assert SCHEMES[name].allowed(*pair) == (cell == "+"), (left, right)


@pytest.mark.parametrize("name", SCHEMES)
def test_schemes_transitions_allow_exactly_what_encode_writes(name: str) -> None:
    scheme, length = SCHEMES[name], 4
    tags = scheme.tags(TYPES)
    written = {tuple(scheme.encode(found, length)) for found in _all_flat(length)}
    matrix, starts, ends = scheme.transitions(tags)
    for sequence in itertools.product(range(len(tags)), repeat=length):
        legal = (
            starts[sequence[0]] and ends[sequence[-1]] and all(matrix[a][b] for a, b in itertools.pairwise(sequence))
        )
        assert legal == (tuple(tags[i] for i in sequence) in written)


def _all_flat(length: int, at: int = 0) -> list[list[Span]]:
    """Every set of typed spans of ``length`` places that do not overlap."""
    if at >= length:
        return [[]]
    found = _all_flat(length, at + 1)
    for end in range(at + 1, length + 1):
        found += [[(at, end, type_), *rest] for type_ in TYPES for rest in _all_flat(length, end)]
    return found


@pytest.mark.parametrize("name", SCHEMES)
@given(data=st.data())
def test_schemes_spans_survive_the_round_trip(name: str, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, 30))
    types = st.sampled_from(["LOC", "PER", "position-title", "公司"])
    found = [(*span, data.draw(types)) for span in data.draw(spans(length))]
    tags = SCHEMES[name].encode(data.draw(st.permutations(found)), length)
    assert len(tags) == length
    assert SCHEMES[name].decode(tags) == SCHEMES[name].decode_lenient(tags) == found


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([(0, 3, "PER"), (2, 4, "LOC")], r"span \[2, 4\) LOC overlaps another"),
        ([(0, 3, "PER"), (0, 3, "LOC")], r"span \[0, 3\) PER overlaps another"),
        ([(1, 1, "PER")], r"span \[1, 1\) is not inside \[0, 5\)"),
        ([(2, 1, "PER")], r"span \[2, 1\) is not inside"),
        ([(-1, 1, "PER")], r"span \[-1, 1\) is not inside"),
        ([(4, 6, "PER")], r"span \[4, 6\) is not inside"),
    ],
)
def test_schemes_encode_refuses_what_tags_cannot_say(name: str, found: list[Span], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SCHEMES[name].encode(found, 5)


def _random_sequences(scheme: Scheme, number: int) -> list[list[str]]:
    tags, generator = scheme.tags([*TYPES, "job-title"]), random.Random(0)
    return [generator.choices(tags, k=generator.randint(1, 9)) for _ in range(number)]


def _seqeval_knows(name: str, tags: list[str]) -> bool:
    """Whether seqeval's patterns are complete for a sequence.

    In IOB1 no pattern ends an entity between B- and a B- of another type; in IOE1 none begins one with E-, but after
    an E- of its type.
    """
    for left, right in itertools.pairwise(["O", *tags]):
        same = left[2:] == right[2:]
        if (name == "IOB1" and left[0] == right[0] == "B" and not same) or (
            name == "IOE1" and right[0] == "E" and not same
        ):
            return False
    return True


@pytest.mark.parametrize("name", SEQEVAL)
def test_schemes_decode_agrees_with_seqeval_strict(name: str) -> None:
    sequences = [tags for tags in _random_sequences(SCHEMES[name], 20_000) if _seqeval_knows(name, tags)]
    assert len(sequences) > 3000
    for tags in sequences:
        expected = [entity.to_tuple()[1:] for entity in Tokens(tags, SEQEVAL[name]).entities]
        assert [(type_, start, end) for start, end, type_ in SCHEMES[name].decode(tags)] == expected, tags


def test_schemes_decode_reads_what_seqeval_s_ioe1_loses() -> None:
    found = [(1, 2, "PER"), (2, 4, "PER")]
    tags = SCHEMES["IOE1"].encode(found, 5)
    assert tags == ["O", "E-PER", "I-PER", "I-PER", "O"]
    assert SCHEMES["IOE1"].decode(tags) == found
    assert len(Tokens(tags, seqeval_schemes.IOE1).entities) == 1


@pytest.mark.parametrize("name", [name for name in SCHEMES if name not in ("BMES", "BILOU")])
def test_schemes_decode_lenient_agrees_with_seqeval_default(name: str) -> None:
    for tags in _random_sequences(SCHEMES[name], 5000):
        expected = [(start, last + 1, type_) for type_, start, last in get_entities(tags)]
        assert SCHEMES[name].decode_lenient(tags) == expected, tags


@pytest.mark.parametrize("name", ["BMES", "BILOU"])
def test_schemes_decode_lenient_is_that_of_bioes_in_other_letters(name: str) -> None:
    letters = {"M": "I", "L": "E", "U": "S"}  # seqeval's default mode does not know these
    for tags in _random_sequences(SCHEMES[name], 5000):
        known = [letters.get(tag[0], tag[0]) + tag[1:] for tag in tags]
        expected = [(start, last + 1, type_) for type_, start, last in get_entities(known)]
        assert SCHEMES[name].decode_lenient(tags) == expected, tags


def test_schemes_that_make_touching_entities_one_are_refused() -> None:
    io = Scheme("IO", single="I", first="I", middle="I", last="I")
    assert io.encode([(0, 2, "PER"), (2, 3, "LOC"), (4, 5, "LOC")], 5) == ["I-PER", "I-PER", "I-LOC", "O", "I-LOC"]
    with pytest.raises(ValueError, match=r"span \[2, 4\) PER touches another: IO tags make them one"):
        io.encode([(0, 2, "PER"), (2, 4, "PER")], 5)


def test_schemes_aliases_are_of_schemes() -> None:
    assert ALIASES == {"IOB2": "BIO", "IOBES": "BIOES"}
    assert not set(ALIASES) & set(SCHEMES)
    assert set(ALIASES.values()) <= set(SCHEMES)


@pytest.mark.parametrize("name", SCHEMES)
def test_schemes_strict_entities_are_lenient_ones_of_legal_sequences(name: str) -> None:
    scheme = SCHEMES[name]
    for tags in _random_sequences(scheme, 2000):
        if all(scheme.allowed(a, b) for a, b in itertools.pairwise([None, *tags, None])):
            assert scheme.decode(tags) == scheme.decode_lenient(tags)


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(SCHEMES, 2)))
def test_schemes_tags_of_one_meaning_stand_at_the_same_units(one: str, other: str) -> None:
    first, second = SCHEMES[one], SCHEMES[other]
    meanings = [{scheme.meaning(f"{prefix}-PER") for prefix in scheme.prefixes} for scheme in (first, second)]
    assert (meanings[0] == meanings[1]) == ({one, other} <= {"BIOES", "BMES", "BILOU"})
    if meanings[0] == meanings[1]:
        for spans in ([], [(0, 1, "PER"), (1, 4, "PER")], [(0, 2, "PER"), (2, 3, "LOC")], [(1, 4, "LOC")]):
            pairs = zip(first.encode(spans, 4), second.encode(spans, 4), strict=True)
            assert all(first.meaning(left) == second.meaning(right) for left, right in pairs)
