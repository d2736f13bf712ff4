"""Rows as padded arrays, against a naive collation."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clue_ner.alignment.batch import collate, padded
from clue_ner.alignment.windows import INPUTS, UNIT_COLUMNS, Row

numbers = st.integers(0, 2**31 - 1)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    units = draw(st.integers(0, 6))
    columns = {name: draw(st.lists(numbers, min_size=units, max_size=units)) for name in UNIT_COLUMNS}
    return Row(input_ids=draw(st.lists(numbers, max_size=6)), **columns)


def naive(lists: list[list[int]], filler: Any) -> list[list[Any]]:
    longest = max(len(items) for items in lists)
    return [items + [filler] * (longest - len(items)) for items in lists]


@given(batch=st.lists(rows(), min_size=1, max_size=5), pad=st.integers(1, 9))
def test_batch_equals_a_naive_collation(batch: list[Row], pad: int) -> None:
    found = collate(batch, pad)
    tokens = [row.input_ids for row in batch]
    wanted: dict[str, list[list[Any]]] = {
        "input_ids": naive(tokens, pad),
        "attention_mask": naive([[1] * len(row.input_ids) for row in batch], 0),
        **{name: naive([getattr(row, name) for row in batch], 0) for name in UNIT_COLUMNS},
        "unit_mask": naive([[True] * len(row.unit_tokens) for row in batch], False),
    }
    assert {name: values.tolist() for name, values in found.items()} == wanted
    assert {name: values.dtype for name, values in found.items()} == {
        name: np.dtype(np.bool_ if name == "unit_mask" else np.int64) for name in INPUTS
    }


def test_batch_pads_tokens_and_units_by_their_own_lengths() -> None:
    long = Row(
        input_ids=[2, 5, 6, 3],
        unit_tokens=[1, 1, 2],
        unit_characters=[7, 8, 9],
        unit_places=[0, 1, 0],
        unit_lengths=[1, 1, 0],
    )
    short = Row(input_ids=[2, 5, 6, 6, 3], unit_tokens=[1], unit_characters=[7], unit_places=[0], unit_lengths=[0])
    batch = collate([long, short], pad_id=1)
    assert batch["input_ids"].tolist() == [[2, 5, 6, 3, 1], [2, 5, 6, 6, 3]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]
    assert batch["unit_tokens"].tolist() == [[1, 1, 2], [1, 0, 0]]
    assert batch["unit_characters"].tolist() == [[7, 8, 9], [7, 0, 0]]
    assert batch["unit_mask"].tolist() == [[True, True, True], [True, False, False]]
    assert set(batch) == set(INPUTS)


@pytest.mark.parametrize("lists", [[], [[], []]])
def test_batch_padded_may_have_no_places(lists: list[list[int]]) -> None:
    assert padded(lists, 1).shape == (len(lists), 0)
