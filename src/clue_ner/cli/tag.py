"""``clue-ner tag``: the entities of texts, as JSON lines or in a layout of labelled files."""

import itertools
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import click

from clue_ner.cli import corpus
from clue_ner.cli.inputs import INPUT, with_format
from clue_ner.cli.model import with_batch_size, with_model
from clue_ner.core import plugins

if TYPE_CHECKING:
    from clue_ner.cli.records import Line
    from clue_ner.core.entities import Entity
    from clue_ner.layouts import Record
    from clue_ner.tagger.tagger import Tagger

JSON_LINES = "jsonl"
_VERSION = re.compile(r"models:/([^/@]+)/(\d+)")


class _Tagged(NamedTuple):
    """A line of the input, and its entities."""

    line: "Line"
    entities: "list[Entity]"
    doubt: float | None


@click.command()
@with_model
@with_format
@with_batch_size
@click.option("--out", type=click.Path(path_type=Path), help="Write this file, completely or not at all.")
@click.option(
    "--to",
    type=click.Choice(plugins.names(plugins.LAYOUTS)),
    help="The layout of --out. Default: from its extension, or JSON lines, which keep all keys of a record.",
)
@click.option(
    "--option",
    "options",
    metavar="KEY=VALUE",
    multiple=True,
    callback=corpus.parsed_options,
    help="An option of the layout of --out.",
)
@click.option("--min-score", type=click.FloatRange(0, 1), default=0.0, help="Leave out entities with a lower score.")
@click.option("--types", metavar="TYPE,…", help="Leave out entities of other types.")
@click.option(
    "--uncertain",
    type=click.IntRange(min=1),
    metavar="N",
    help="Only the N most uncertain texts, the most uncertain first, to label next; near-duplicates are left out.",
)
@click.option("--provenance", is_flag=True, help="Add the model, its version and its training to each record.")
@click.argument("files", metavar="[FILE]...", nargs=-1, type=INPUT)
@click.pass_context
def tag(
    ctx: click.Context,
    load: "Callable[[], Tagger]",
    read: "Callable[[Iterable[str]], Iterator[list[Line]]]",
    batch_size: int,
    out: Path | None,
    to: str | None,
    options: corpus.Options,
    min_score: float,
    types: str | None,
    uncertain: int | None,
    provenance: bool,
    files: tuple[str, ...],
) -> None:
    """Tag lines of text, JSON or a table: one JSON object for each line.

    FILE is - or omitted for standard input. Offsets count characters of the line, end exclusive. A line that cannot be
    read is reported and becomes {"error": ...} in its place, and the exit status is then 1.
    """
    from clue_ner.cli.terminal import counter

    layout = _layout(out, to, options)
    tagger = load()
    wanted = _wanted_types(tagger, types)
    unreadable = 0

    with counter(shown=out is not None or not sys.stdout.isatty()) as count:

        def tagged() -> Iterator[list[_Tagged]]:
            nonlocal unreadable
            for lines in read(files):
                readings = tagger.read([line.text for line in lines], batch_size, doubts=uncertain is not None)
                found = []
                for line, reading in zip(lines, readings):
                    kept = [e for e in reading.entities if e.type in wanted and (e.score or 0) >= min_score]
                    found.append(_Tagged(line, kept, reading.doubt))
                    unreadable += line.error is not None
                    count(line.error)
                yield found

        groups = tagged() if uncertain is None else _most_uncertain(tagged(), uncertain)
        about = _provenance(tagger) if provenance else None
        if out is None or layout == JSON_LINES:
            with _stream(out) as stream:
                _write_lines(groups, stream, about)
        else:
            assert layout is not None
            _write_layout(groups, out, layout, options, about)
    if unreadable:
        click.echo(f"error: {unreadable} of the lines could not be read", err=True)
        ctx.exit(1)


def _layout(out: Path | None, to: str | None, options: corpus.Options) -> str | None:
    """The layout to write; raises UsageError if it needs a file or does not have the options."""
    if out is None and to not in (None, JSON_LINES):
        raise click.UsageError(f"--to {to} needs a file: name it with --out")
    layout = to or (corpus.layout_of(out, "--to") if out is not None and out.suffix else JSON_LINES)
    if options and layout == JSON_LINES:
        raise click.UsageError("--option goes with the layout of --out, and JSON lines are written as they came")
    if wrong := list(plugins.wrong_options(layout, options)):
        raise click.UsageError(f"--option: {'; '.join(wrong)}")
    return layout


def _wanted_types(tagger: "Tagger", types: str | None) -> set[str]:
    if types is None:
        return set(tagger.config.types)
    asked = {name.strip() for name in re.split("[,，]", types)}
    if unknown := sorted(asked - set(tagger.config.types)):
        raise click.UsageError(
            f"--types: the model has no type {', '.join(map(repr, unknown))}; it has {', '.join(tagger.config.types)}"
        )
    return asked


def _most_uncertain(groups: Iterable[list[_Tagged]], wanted: int) -> Iterator[list[_Tagged]]:
    """One group: the texts to label next, the most uncertain first; ``doubt`` is the uncertainty of each."""
    from clue_ner.cli.uncertain import Uncertain, uncertainty

    texts: Uncertain[_Tagged] = Uncertain(wanted)
    for group in groups:
        for one in group:
            if one.line.error is None:
                texts.add(uncertainty(one.doubt or 0.0, one.line.text), one.line.text, one)
    chosen = texts.chosen()
    if len(chosen) < wanted:
        click.echo(f"only {len(chosen)} texts: there are no more, or they are near-duplicates of these", err=True)
    yield [one._replace(doubt=uncertain) for uncertain, one in chosen]


def _provenance(tagger: "Tagger") -> dict[str, Any]:
    """Identifies run, params and data of an output: the fingerprint is a tag of the run in MLflow."""
    assert tagger.source is not None
    version = _VERSION.fullmatch(tagger.source.name)
    name, number = version.groups() if version else (tagger.source.name, None)
    return {"name": name, "version": number, "fingerprint": tagger.config.trained.fingerprint}


@contextmanager
def _stream(out: Path | None) -> Iterator[BufferedIOBase]:
    """Standard output, or a file that is written only if the block succeeds."""
    from clue_ner.common.files import atomic_file

    if out is None:
        yield cast(BufferedIOBase, sys.stdout.buffer)
        return
    with atomic_file(out) as place, place.open("wb") as stream:
        yield cast(BufferedIOBase, stream)


def _write_lines(groups: Iterable[list[_Tagged]], stream: BufferedIOBase, about: dict[str, Any] | None) -> None:
    """Writes a JSON object per line: the keys of the input, the entities, and the additions that were requested."""
    from clue_ner.cli.lines import tagged
    from clue_ner.common.json_lines import to_json

    for group in groups:
        for line, entities, doubt in group:
            beside = {
                **({} if doubt is None else {"uncertainty": round(doubt, 4)}),
                **({} if about is None else {"model": about}),
            }
            stream.write(to_json({**tagged(line, entities), **({} if line.error else beside)}).encode() + b"\n")
        stream.flush()


def _write_layout(
    groups: Iterable[list[_Tagged]],
    out: Path,
    layout: str,
    options: corpus.Options,
    about: dict[str, Any] | None,
) -> None:
    """Writes a file in a layout; stderr gets a count of what the layout cannot represent."""
    from clue_ner.layouts import write

    takes_version = "model_version" in plugins.layout_options(layout)
    if about is not None and not takes_version:
        having = [name for name in plugins.names(plugins.LAYOUTS) if "model_version" in plugins.layout_options(name)]
        raise click.UsageError(f"--provenance: {layout} cannot store it; write JSON lines or {', '.join(having)}")
    if about is not None and "model_version" not in options:
        parts = [about["name"], *([about["version"]] if about["version"] else []), about["fingerprint"]]
        options = {**options, "model_version": " ".join(parts)}
    left_out = {"lines that could not be read": 0, "lines without a text": 0}

    def records() -> Iterator["Record"]:
        for number, one in enumerate(itertools.chain.from_iterable(groups), 1):
            if one.line.error is not None:
                left_out["lines that could not be read"] += 1
            elif (record := _record(one, number)) is None:
                left_out["lines without a text"] += 1
            else:
                yield record

    left_out |= write(out, records(), layout, options, lossy=True)
    for what, times in left_out.items():
        if times:
            click.echo(f"left out: {what}: {times}", err=True)


def _record(one: _Tagged, number: int) -> "Record | None":
    """The line as a labelled sentence; None if its text is empty or has a lone surrogate."""
    from clue_ner.core.entities import Sentence
    from clue_ner.layouts import Record

    text, sentence_id = one.line.text, one.line.record.get("id", "")
    if not text or any("\ud800" <= char <= "\udfff" for char in text):
        return None
    known = str(sentence_id) if isinstance(sentence_id, str | int) and not isinstance(sentence_id, bool) else ""
    return Record(Sentence(known, text, tuple(sorted(one.entities))), True, number)
