"""Options for reading texts, and their lines as they arrive."""

import codecs
import functools
from collections.abc import Callable, Iterable, Iterator
from io import BufferedIOBase
from typing import TYPE_CHECKING, Any, cast

import click

if TYPE_CHECKING:
    from clue_ner.cli.records import Line

INPUT = click.Path(exists=True, dir_okay=False, allow_dash=True)


def with_format(command: Callable[..., None]) -> Callable[..., None]:
    """Options for reading input; ``command`` gets ``read``, which reads files in groups of lines."""

    @click.option(
        "--format",
        "form",
        type=click.Choice(("auto", "text", "jsonl", "json", "csv", "parquet")),
        default="auto",
        show_default=True,
        help="auto decides by the file's name and first line: JSON lines, a JSON array, a table by its name, or text.",
    )
    @click.option(
        "--text-key",
        default="text",
        show_default=True,
        help="The key (JSON) or the column (table) of the text.",
    )
    @click.option(
        "--encoding", callback=_known_encoding, help="Of the input. Default: UTF-8, or that of the byte order mark."
    )
    @functools.wraps(command)
    def with_options(form: str, text_key: str, encoding: str | None, **arguments: Any) -> None:
        command(read=functools.partial(groups, form=form, key=text_key, encoding=encoding), **arguments)

    return with_options


def _known_encoding(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    try:
        return value and codecs.lookup(value).name
    except LookupError:
        raise click.BadParameter(
            f"{value!r} is unknown to Python; it knows for example utf-8, gb18030, big5, utf-16"
        ) from None


def groups(files: Iterable[str], form: str, key: str = "text", encoding: str | None = None) -> Iterator[list["Line"]]:
    """The lines of all files, or of standard input, in groups as they arrive."""
    from clue_ner.cli.lines import read_lines

    note = functools.partial(click.echo, err=True)

    for file in files or ("-",):
        with click.open_file(file, "rb") as stream:
            name = "stdin" if file == "-" else file
            yield from read_lines(cast(BufferedIOBase, stream), name, form, key, encoding, note)
