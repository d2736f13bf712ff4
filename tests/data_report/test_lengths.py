import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.sentences import marked_all

from clue_ner.data_report.lengths import QUANTILES, span_lengths, summary


@given(st.lists(st.integers(0, 99), min_size=1))
def test_lengths_are_quantiles_by_nearest_rank(lengths: list[int]) -> None:
    found = summary(lengths)
    assert (found["min"], found["max"]) == (min(lengths), max(lengths))
    for name, share in QUANTILES.items():
        assert found[name] == np.quantile(lengths, share, method="inverted_cdf")


def test_lengths_of_nothing_are_none() -> None:
    assert summary([]) == {}


def test_lengths_of_spans_are_by_type() -> None:
    found = span_lengths(marked_all("{李雷|name}在{上海市|address}", "{李|name}"))
    assert list(found) == ["address", "name"]
    assert (found["name"]["min"], found["name"]["max"], found["address"]["max"]) == (1, 2, 3)
