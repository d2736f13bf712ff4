"""Texts with their entities for reading: coloured in a terminal, otherwise marked with brackets."""

import colorsys
import contextlib
import unicodedata
from collections.abc import Callable, Iterable, Iterator

from rich.color import Color
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.style import Style
from rich.text import Text

from clue_ner.core.entities import Entity

KEPT = "\n\t"
"""Control characters that are printed unchanged."""


def printer(console: Console, types: Iterable[str]) -> Callable[[str, Iterable[Entity]], None]:
    """A function that prints a text with its entities, in colours and below a legend of ``types`` if possible.

    Without colours (a file, a pipe, ``NO_COLOR``, a terminal without colours) entities are marked as by ``marked``.
    """
    if console.color_system is None or console.no_color:
        return lambda text, entities: console.out(marked(text, entities), highlight=False)
    styles = palette(types)
    console.print(Text(" ").join(Text(f" {type_} ", style) for type_, style in styles.items()), soft_wrap=True)
    return lambda text, entities: console.print(coloured(text, entities, styles), soft_wrap=True)


def coloured(text: str, entities: Iterable[Entity], styles: dict[str, Style]) -> Text:
    """The text with the style of its type on each entity."""
    shown = Text(visible(text))
    for entity in sorted(entities):
        shown.stylize(styles[entity.type], entity.start, entity.end)
    return shown


def marked(text: str, entities: Iterable[Entity]) -> str:
    """The text with each entity and its type in brackets; nested entities give nested brackets.

    >>> marked("李雷在上海工作", [Entity(0, 2, "name"), Entity(3, 5, "address")])
    '[李雷 name]在[上海 address]工作'
    """
    shown = visible(text)
    opening = [0] * (len(text) + 1)
    closing: list[list[Entity]] = [[] for _ in opening]
    for entity in sorted(entities, reverse=True):
        opening[entity.start] += 1
        closing[entity.end].append(entity)
    parts = []
    for position, brackets in enumerate(opening):
        parts += [f" {entity.type}]" for entity in closing[position]]
        parts += ["[" * brackets, shown[position : position + 1]]
    return "".join(parts)


def visible(text: str) -> str:
    """The text with visible symbols for characters that could control a terminal or that UTF-8 cannot represent.

    >>> visible("\\x1b[31m红")
    '␛[31m红'
    """
    return "".join(map(_visible, text))


def palette(types: Iterable[str]) -> dict[str, Style]:
    """A style for each type: black on light, evenly spaced hues, in sorted order of the types."""
    ordered = sorted(set(types))
    hues = (colorsys.hls_to_rgb(number / len(ordered), 0.75, 0.9) for number in range(len(ordered)))
    return {
        type_: Style(color="black", bgcolor=Color.from_rgb(*(255 * part for part in hue)))
        for type_, hue in zip(ordered, hues)
    }


@contextlib.contextmanager
def counter(shown: bool) -> Iterator[Callable[[str | None], None]]:
    """A function to call for each finished line with its error or None; errors are printed on stderr.

    If ``shown`` and stderr is a terminal, the number of lines is shown there too.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.completed} lines"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not (shown and console.file.isatty())) as progress:
        task = progress.add_task("", total=None)

        def count(problem: str | None) -> None:
            progress.advance(task)
            if problem is not None:
                console.out(problem, highlight=False)

        yield count


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if character in KEPT or category not in ("Cc", "Cs"):
        return character
    if character < " ":
        return chr(0x2400 + ord(character))
    return "␡" if character == "\x7f" else "\ufffd"
