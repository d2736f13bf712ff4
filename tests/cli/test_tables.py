"""Tables and lines that are folded where the terminal ends, and never cut."""

import io

import pytest
from rich.console import Console

from clue_ner.cli.tables import show, table


def shown(width: int, heading: str, body: object) -> str:
    out = io.StringIO()
    show(Console(file=out, width=width), heading, body)  # type: ignore[arg-type]
    return out.getvalue()


@pytest.mark.parametrize("width", [20, 30, 80])
def test_tables_are_folded(width: int) -> None:
    rows = [["中文的名称" * 4, "12,345"], ["a" * 30, "6"]]
    text = shown(width, "Title", table(["what", "number"], rows))
    assert all(len(line.encode("gbk")) <= width for line in text.splitlines())
    without_spaces = "".join(text.split())
    assert without_spaces.count("a") == 31
    assert without_spaces.count("称") == 4
    assert "…" not in text


def test_tables_and_lines_show_what_would_drive_a_terminal() -> None:
    assert "␛[31m" in shown(80, "Title", table(["", "x"], [["\x1b[31m", "1"]]))
    assert "␛[31m [bold]" in shown(80, "Title", ["\x1b[31m [bold]"])


def test_tables_without_rows_are_not_shown() -> None:
    assert shown(80, "Title", table(["a"], [])) == shown(80, "Title", []) == ""
