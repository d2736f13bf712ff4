"""``clue-ner convert``: converts a labelled file from one layout to another."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from clue_ner.cli.corpus import layout_of, value_of
from clue_ner.core import plugins

if TYPE_CHECKING:
    from clue_ner.layouts import Record

_LAYOUTS = plugins.names(plugins.LAYOUTS)


@click.command()
@click.option(
    "--from",
    "source",
    type=click.Choice([plugins.AUTO, *_LAYOUTS]),
    default=plugins.AUTO,
    show_default=True,
    help="The layout of IN; auto recognises it and prints the reason.",
)
@click.option("--to", "target", type=click.Choice(_LAYOUTS), help="The layout of OUT. Default: from its extension.")
@click.option(
    "--option",
    "options",
    metavar="KEY=VALUE",
    multiple=True,
    help="An option of a layout, as in corpus.options. Write in.KEY or out.KEY if both layouts have it.",
)
@click.option("--lossy", is_flag=True, help="Leave out and count what the layout of OUT cannot represent.")
@click.argument("in_", metavar="IN", type=click.Path(exists=True, path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
def convert(source: str, target: str | None, options: tuple[str, ...], lossy: bool, in_: Path, out: Path) -> None:
    """Write the labelled file IN in another layout as OUT.

    IN is read as a stream and checked completely. OUT is written completely or not at all: not if a record of IN is
    wrong, and without --lossy not if its layout cannot represent a record. What was left out is counted.
    """
    from clue_ner.cli.terminal import counter
    from clue_ner.common.errors import CorpusError
    from clue_ner.layouts import read, recognised, write

    target = target or layout_of(out, "--to")
    layout, reason = (source, "named") if source != plugins.AUTO else recognised(in_, {})
    given, wanted = _options(options, layout, target)
    reading = read(in_, layout, given)
    if out.is_dir() and not plugins.literal(plugins.LAYOUTS, target, "FOLDER", default=False):
        raise CorpusError(f"{out}: is a folder; name the file to write")
    if source == plugins.AUTO:
        click.echo(f"{in_}: read as {layout}: {reason}", err=True)
    numbers = {"sentences": 0, "entities": 0}
    with counter(shown=True) as count:

        def counted(records: Iterable["Record"]) -> Iterator["Record"]:
            for record in records:
                numbers["sentences"] += 1
                numbers["entities"] += len(record.sentence.entities)
                count(None)
                yield record

        left_out = write(out, counted(reading), target, wanted, lossy, reading.source.where)
    if not numbers["sentences"]:
        click.echo(f"warning: {in_}: no sentence in it", err=True)
    click.echo(f"{out}: {numbers['sentences']} sentences, {numbers['entities']} entities as {target}", err=True)
    for what, times in (+reading.counts).items():
        click.echo(f"  read: {what}: {times}", err=True)
    for what, times in left_out.items():
        click.echo(f"  left out: {what}: {times}", err=True)


def _wrong(problem: str) -> NoReturn:
    raise click.BadParameter(problem, param_hint="--option")


def _options(options: Iterable[str], source: str, target: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of IN and of OUT; their values are checked where they are used."""
    known = {"in": plugins.layout_options(source), "out": plugins.layout_options(target)}
    found: dict[str, dict[str, Any]] = {"in": {}, "out": {}}
    for option in options:
        key, mark, text = option.partition("=")
        side, dot, name = key.rpartition(".")
        if not mark or (dot and side not in found):
            _wrong(f"{option!r}: wanted KEY=VALUE, in.KEY=VALUE or out.KEY=VALUE")
        sides = [side] if dot else [side for side in known if name in known[side]]
        if len(sides) > 1:
            _wrong(f"{name}: both layouts have it; write in.{name} or out.{name}")
        if not sides:
            there = ", ".join(sorted({*known["in"], *known["out"]})) or "none"
            _wrong(f"{name}: no option of {source} or {target}; there are {there}")
        found[sides[0]][name] = value_of(text, known[sides[0]].get(name, ()))
    return found["in"], found["out"]
