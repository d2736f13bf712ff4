import pytest

from bench.cells import number, times


@pytest.mark.parametrize(
    ("value", "written"),
    [(12345.6, "12,300"), (2620, "2,620"), (34.5, "34.5"), (30.0, "30"), (0.01234, "0.0123"), (0.0, "0"), (None, "–")],
)
def test_number_keeps_three_digits(value: float | None, written: str) -> None:
    assert number(value) == written


def test_times_is_a_ratio_and_a_dash_against_nothing() -> None:
    assert (times(3.0, 2.0), times(3.0, 0.0)) == ("1.50 ×", "–")
