"""``clue-ner convert``: converts a labelled file from one layout to another."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from clue_ner.cli.corpus import hub_hint, is_on_hub, layout_of, params_of, value_of, with_revision
from clue_ner.common.extras import explained
from clue_ner.core import plugins

if TYPE_CHECKING:
    from clue_ner.layouts import Reading, Record

SHOWN = 1000
"""Sentences between two looks at how much has been read."""
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
@click.option("--split", help="The split of a data set on the hub: train (the default), valid, test or unlabelled.")
@with_revision
@click.argument("in_", metavar="IN")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
def convert(
    source: str,
    target: str | None,
    options: tuple[str, ...],
    lossy: bool,
    split: str | None,
    revision: str | None,
    in_: str,
    out: Path,
) -> None:
    """Write the labelled file IN in another layout as OUT.

    IN is a file, a folder in some layouts, or with --from hugging_face the id of a data set on the hub (ORG/NAME). It
    is read as a stream and checked completely. OUT is written completely or not at all: not if a record of IN is
    wrong, and without --lossy not if its layout cannot represent a record. What was left out is counted.
    """
    from clue_ner.common.errors import CorpusError
    from clue_ner.common.progress import progress
    from clue_ner.layouts import write

    target = target or layout_of(out, "--to")
    if out.is_dir() and not plugins.literal(plugins.LAYOUTS, target, "FOLDER", default=False):
        raise CorpusError(f"{out}: is a folder; name the file to write")
    on_hub = is_on_hub(in_, source, revision)
    if split is not None and not on_hub:
        raise click.UsageError("--split needs a data set on the hub")
    reason = ""
    if not on_hub:
        source, reason = _layout(Path(in_), source, options)
    given, wanted = _options(options, source, target)
    readings, origin = _of_hub(in_, given, split, revision) if on_hub else (_of_file(in_, source, given), reason)
    if origin:
        click.echo(f"{in_}: read {origin}", err=True)
    with progress(f"{in_}, percent", 100, say=partial(click.echo, err=True)) as advance:
        records = _Records(readings, advance)
        left_out = write(out, records, target, wanted, lossy, records.where)
    if not records.sentences:
        click.echo(f"warning: {in_}: no sentence in it", err=True)
    click.echo(f"{out}: {records.sentences} sentences, {records.entities} entities as {target}", err=True)
    for what, times in sum((reading.counts for reading in readings), Counter[str]()).items():
        click.echo(f"  read: {what}: {times}", err=True)
    for what, times in left_out.items():
        click.echo(f"  left out: {what}: {times}", err=True)


class _Records:
    """The records of files that are read one after the other, counted; CorpusError at the end if any was wrong."""

    def __init__(self, readings: Sequence["Reading"], advance: Callable[[int], None]) -> None:
        self.sentences = self.entities = 0
        self._readings = readings
        self._now = readings[0]
        self._advance = advance
        self._percent = 0

    def __iter__(self) -> Iterator["Record"]:
        from clue_ner.layouts import refuse_all

        for number, reading in enumerate(self._readings):
            self._now = reading
            for record in reading.records():
                self.sentences += 1
                self.entities += len(record.sentence.entities)
                if self.sentences % SHOWN == 0 and (share := reading.source.share(record.line)) is not None:
                    self._show(int(100 * (number + share) / len(self._readings)))
                yield record
        refuse_all(self._readings)

    def where(self, line: int) -> str:
        """What messages call the record of this number in the file that is being read."""
        return self._now.source.where(line)

    def _show(self, percent: int) -> None:
        if percent > self._percent:
            self._advance(percent - self._percent)
            self._percent = percent


def _layout(path: Path, asked: str, options: Iterable[str]) -> tuple[str, str]:
    """The layout of IN, and what to say of it: nothing if it was named."""
    from clue_ner.layouts import recognised

    if not path.exists():
        raise click.UsageError(f"{path}: no such file or folder{hub_hint(str(path))}")
    if asked != plugins.AUTO:
        return asked, ""
    pairs = (option.partition("=") for option in options)
    known = plugins.layout_options(plugins.AUTO)
    names = {key.removeprefix("in."): text for key, _, text in pairs if not key.startswith("out.")}
    layout, reason = recognised(path, {name: value_of(text, known.get(name, ())) for name, text in names.items()})
    return layout, f"as {layout}: {reason}"


def _of_file(name: str, layout: str, options: dict[str, Any]) -> list["Reading"]:
    from clue_ner.layouts import read

    return [read(Path(name), layout, options)]


def _of_hub(name: str, options: dict[str, Any], split: str | None, revision: str | None) -> tuple[list["Reading"], str]:
    """The files of a split of a data set on the hub, and what it is."""
    from clue_ner.common.errors import CorpusError

    with explained("a data set on the hub"):
        from clue_ner.corpora import hub_readings

        splits, origin = hub_readings(params_of(name, "hugging_face", options, revision))
    chosen = split or "train"
    if chosen not in splits:
        raise CorpusError(f"{name}: it has no split {chosen}; there are {', '.join(splits)}")
    return splits[chosen], f"from {origin}: {chosen}, of {', '.join(splits)}"


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
