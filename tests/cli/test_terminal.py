import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from clue_ner.cli.terminal import coloured, counter, marked, palette, printer, visible
from clue_ner.core.entities import Entity

TYPES = ["name", "address"]
TEXT = "李雷在上海"
ENTITIES = (Entity(0, 2, "name"), Entity(3, 5, "address"))


def printed(text=TEXT, entities=ENTITIES, **options):
    console = Console(file=io.StringIO(), width=20, **options)
    printer(console, TYPES)(text, entities)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("entities", "expected"),
    [
        ([], "李雷在上海"),
        (ENTITIES, "[李雷 name]在[上海 address]"),
        ([Entity(0, 2, "name"), Entity(2, 5, "address")], "[李雷 name][在上海 address]"),
        ([Entity(3, 5, "address"), Entity(0, 5, "name")], "[李雷在[上海 address] name]"),
        ([Entity(0, 3, "name"), Entity(0, 5, "address")], "[[李雷在 name]上海 address]"),
        ([Entity(0, 5, "a"), Entity(0, 5, "b")], "[[李雷在上海 b] a]"),
    ],
)
def test_terminal_marked_puts_types_behind_their_text(entities, expected):
    assert marked(TEXT, entities) == expected


@given(st.text(st.characters(exclude_categories=()), max_size=30), st.data())
def test_terminal_marked_without_its_marks_is_the_text(text, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    entities = [Entity(start, end, "T") for start, end in zip(cuts[::2], cuts[1::2])]
    shown = marked(text, entities)
    expected = list(visible(text))
    for entity in reversed(entities):
        expected.insert(entity.end, " T]")
        expected.insert(entity.start, "[")
    assert shown == "".join(expected)


@given(st.text(st.characters(exclude_categories=())))
def test_terminal_visible_keeps_every_place_and_can_be_written(text):
    shown = visible(text)
    assert len(shown) == len(text)
    assert not set(shown) & set(map(chr, (*range(9), *range(11, 32), *range(127, 160))))
    assert visible(shown) == shown
    shown.encode()


def test_terminal_visible_shows_control_characters():
    assert visible("a\x00\x07\x1b\x7f\x9b\ud800\r\n\t😀\u200b") == "a␀␇␛␡\ufffd\ufffd␍\n\t😀\u200b"


def test_terminal_coloured_has_a_style_on_each_entity():
    styles = palette(TYPES)
    text = coloured(TEXT, ENTITIES, styles)
    assert text.plain == TEXT
    assert [(span.start, span.end, span.style) for span in text.spans] == [
        (0, 2, styles["name"]),
        (3, 5, styles["address"]),
    ]


@given(st.text(st.characters(exclude_categories=()), min_size=1))
def test_terminal_coloured_keeps_every_place(text):
    assert coloured(text, [Entity(0, len(text), "name")], palette(TYPES)).plain == visible(text)


@pytest.mark.parametrize("number", [1, 10, 200])
def test_terminal_palette_is_a_colour_a_type_whatever_the_order(number):
    types = [f"type {i}" for i in range(number)]
    styles = palette(types)
    assert len(set(styles.values())) == number
    assert styles == palette(reversed(types))


def test_terminal_printer_has_legend_and_colours_where_there_are_any():
    legend, text, end = printed(force_terminal=True, color_system="truecolor", no_color=False).split("\n")
    for type_ in TYPES:
        assert f" {type_} " in legend
    assert "[李雷" not in text
    assert legend.count("\x1b[") == text.count("\x1b[") == 4
    assert end == ""


@pytest.mark.parametrize(
    "options",
    [
        {"force_terminal": False},
        {"force_terminal": True, "color_system": "truecolor", "no_color": True},
        {"force_terminal": True, "color_system": None},
    ],
)
def test_terminal_printer_marks_where_there_are_no_colours(options):
    assert printed(**options) == "[李雷 name]在[上海 address]\n"


@pytest.mark.parametrize("color_system", [None, "truecolor"])
def test_terminal_printer_breaks_no_lines_and_reads_no_markup(color_system):
    text = "[red]:smile:" + "的" * 100 + "\x1b[1m"
    shown = printed(text, [], force_terminal=True, color_system=color_system, no_color=False)
    assert shown.endswith(visible(text) + "\n")


def test_terminal_counter_says_problems_alone_where_stderr_is_no_terminal(capsys):
    with counter(shown=True) as count:
        count(None)
        count("a.txt:2: [bold]not[/] JSON " + "长" * 200)
    captured = capsys.readouterr()
    assert captured.err == "a.txt:2: [bold]not[/] JSON " + "长" * 200 + "\n"
    assert captured.out == ""
