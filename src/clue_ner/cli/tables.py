"""Tables for a terminal: as wide as they need to be, folded where that is wider than the terminal, never cut."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clue_ner.cli.terminal import visible


def console() -> Console:
    """Standard output, without colours that rich would guess for numbers and paths."""
    return Console(highlight=False)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Rows below their headings; the first column is words, the others numbers."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, heading in enumerate(headings):
        made.add_column(Text(heading), justify="right" if number else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(visible(cell)) for cell in row))
    return made


def show(to: Console, heading: str, body: Table | Iterable[str]) -> None:
    """A heading, below it a table or lines, then an empty line; nothing at all without a row or line."""
    if isinstance(body, Table):
        if body.row_count:
            to.print(Text(heading, "bold"))
            to.print(Padding(body, (0, 0, 1, 2), expand=False))
        return
    if lines := list(body):
        to.print(Text(heading, "bold"))
        for line in lines:
            to.print(Padding(Text(visible(line)), (0, 0, 0, 2), expand=False))
        to.print()


def number(value: float) -> str:
    """A whole number with commas, another one as a percentage.

    >>> number(10748), number(0.3789)
    ('10,748', '37.9 %')
    """
    return f"{value:,}" if isinstance(value, int) else f"{100 * value:.1f} %"
