"""Windows: units found by exact offsets, stretches that share the places out, entities put together."""

import itertools

import pytest

from clue_ner.alignment.windows import COLUMNS, INPUTS, UNIT_COLUMNS, Row, Window, merge, stretches
from clue_ner.core.entities import Entity


def test_windows_name_the_columns_once() -> None:
    assert COLUMNS == ("input_ids", "unit_tokens", "unit_characters", "unit_places", "unit_lengths")
    assert COLUMNS[1:] == UNIT_COLUMNS
    assert {*INPUTS} == {*COLUMNS, "attention_mask", "unit_mask"}
    assert issubclass(Window, Row)


@pytest.mark.parametrize("overlap", range(5))
def test_windows_stretches_decide_each_place_once_and_see_as_much_on_both_sides(overlap: int) -> None:
    room = 10
    for length in range(60):
        found = list(stretches(length, room, overlap))
        assert [place for _, _, first, stop in found for place in range(first, stop)] == list(range(length))
        assert (found[0].start, found[-1].end) == (0, length)
        assert all(s.end - s.start == room for s in found[:-1])
        assert found[-1].end - found[-1].start <= room
        for left, right in itertools.pairwise(found):
            assert left.end - right.start == overlap
            assert left.stop - right.start == overlap // 2  # what the right one sees before its part


def _window(*found: tuple[int, int], core: tuple[int, int]) -> Window:
    starts, ends = [start for start, _ in found], [end for _, end in found]
    return Window(
        input_ids=[0],
        unit_starts=starts,
        unit_ends=ends,
        **{column: [0] * len(found) for column in UNIT_COLUMNS},
        core=core,
    )


def test_windows_finds_units_by_exact_offsets() -> None:
    window = _window((0, 2), (2, 2), (2, 3), (5, 5), (5, 9), core=(0, 5))
    assert window.units_of(Entity(0, 2, "X")) == (0, 1)
    assert window.units_of(Entity(0, 9, "X")) == (0, 5)
    assert window.units_of(Entity(2, 3, "X")) == (2, 3)
    assert window.units_of(Entity(2, 9, "X")) == (2, 5)
    for start, end in [(0, 1), (1, 3), (3, 5), (5, 8), (2, 5), (9, 10)]:
        assert window.units_of(Entity(start, end, "X")) is None


def test_windows_entity_leaves_out_units_without_characters() -> None:
    window = _window((0, 2), (2, 2), (2, 3), (5, 5), (5, 9), core=(0, 5))
    assert window.entity(1, 4, "X", 0.5) == Entity(2, 3, "X")
    assert window.entity(0, 5, "X") == Entity(0, 9, "X")
    assert window.entity(3, 4, "X") is None


def test_windows_merge_takes_each_entity_from_the_window_it_begins_in() -> None:
    left = _window(*((i, i + 1) for i in range(8)), core=(0, 6))
    right = _window(*((i, i + 1) for i in range(4, 12)), core=(2, 8))
    both, cut = Entity(4, 7, "A"), Entity(5, 7, "B")
    assert merge([(left, [both]), (right, [both])]) == (both,)
    assert merge([(left, [Entity(6, 8, "A")]), (right, [Entity(6, 10, "A")])]) == (Entity(6, 10, "A"),)
    assert merge([(left, [cut, both]), (right, [Entity(4, 5, "C"), Entity(7, 9, "A")])]) == (
        both,
        cut,
        Entity(7, 9, "A"),
    )
    assert merge([]) == ()


def test_windows_merge_keeps_entities_of_two_windows_that_overlap() -> None:
    left = _window(*((i, i + 1) for i in range(8)), core=(0, 6))
    right = _window(*((i, i + 1) for i in range(4, 12)), core=(2, 8))
    parts = [(left, [Entity(5, 8, "A")]), (right, [Entity(6, 7, "B"), Entity(8, 9, "B")])]
    assert merge(parts) == (Entity(5, 8, "A"), Entity(6, 7, "B"), Entity(8, 9, "B"))
