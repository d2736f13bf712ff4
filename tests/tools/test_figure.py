"""The figure of the table: the same bytes for the same rows, taller with more of them."""

import matplotlib.image
import pytest

from tools.results.configurations import configurations
from tools.results.figure import draw
from tools.results.rows import own_params, read_rows


@pytest.fixture
def drawn(root, add_row):
    """``drawn(number)`` draws the first ``number`` of three configurations; the file."""
    add_row(0.8, seed=1), add_row(0.7, seed=2), add_row(0.6, seed=1, train__head="softmax"), add_row(0.5, train__lr=1)
    found = configurations(read_rows(root), own_params(root))

    def draw_some(number):
        path = root / f"{number}.png"
        draw(path, found[:number], {c.name: (0.4, 0.9) for c in found})
        return path

    return draw_some


def test_figure_is_an_image_that_grows_with_its_configurations(drawn):
    one, three = (matplotlib.image.imread(drawn(number)) for number in (1, 3))
    assert one.shape[2] == three.shape[2] == 4 and one.shape[1] == three.shape[1]
    assert one.shape[0] < three.shape[0]


def test_figure_of_the_same_rows_is_the_same_bytes(drawn):
    first = drawn(2).read_bytes()
    assert drawn(2).read_bytes() == first
