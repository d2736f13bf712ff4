"""``clue-ner tag``, ``show`` and ``predict``: what a model finds in texts."""

import codecs
import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from io import BufferedIOBase, TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from clue_ner.common.errors import ArtifactError, ClueNerError, CorpusError, MissingExtraError
from clue_ner.common.extras import explained
from clue_ner.common.paths import is_registry_name, repository

if TYPE_CHECKING:
    from clue_ner.cli.lines import Line
    from clue_ner.core.entities import Sentence
    from clue_ner.tagger.tagger import Tagger

CHAMPIONS = ("clue-ner", "clue-ner-demo")
"""Registered models that are looked for when there is no export, in this order."""

_batch_size = click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="Windows that the model reads at once, at most; fewer if they are long.",
)
runtime_option = click.option(
    "--runtime",
    type=click.Choice(("auto", "onnx", "int8", "torch")),
    default="auto",
    show_default=True,
    help="What computes the model. auto: onnx (float32) where models/export has it, else torch. int8 is the "
    "fastest on a CPU.",
)
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), help="CPU threads that compute. By default one a core."
)
_input = click.Path(exists=True, dir_okay=False, allow_dash=True)


def _with_format(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say how input is read; ``command`` gets ``read``, which reads files in groups of lines."""

    @click.option(
        "--format",
        "form",
        type=click.Choice(("auto", "text", "jsonl", "json")),
        default="auto",
        show_default=True,
        help="auto decides by the file's name and first line: JSON lines, a JSON array, or text.",
    )
    @click.option("--text-key", default="text", show_default=True, help="The key of a JSON object that has the text.")
    @click.option(
        "--encoding", callback=_known_encoding, help="Of the input. By default UTF-8, or as its byte order mark says."
    )
    @functools.wraps(command)
    def with_format(form: str, text_key: str, encoding: str | None, **arguments: Any) -> None:
        command(read=functools.partial(_groups, form=form, key=text_key, encoding=encoding), **arguments)

    return with_format


def _known_encoding(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    try:
        return value and codecs.lookup(value).name
    except LookupError:
        raise click.BadParameter(
            f"{value!r} is none that Python knows; such are utf-8, gb18030, big5, utf-16"
        ) from None


def _with_model(command: Callable[..., None]) -> Callable[..., None]:
    """The options that name a model and how it computes; ``command`` gets ``load``, which loads the tagger."""

    @click.option(
        "--model",
        metavar="FOLDER|models:/NAME@ALIAS|runs:/RUN_ID/NAME",
        help="The model; also models:/NAME/VERSION, models:/NAME/latest, models:/MODEL_ID. By default models/export of "
        "the repository, or else that of the demo, or the champion of clue-ner, then clue-ner-demo.",
    )
    @runtime_option
    @threads_option
    @functools.wraps(command)
    def with_model(model: str | None, runtime: str, threads: int | None, **arguments: Any) -> None:
        command(load=functools.partial(_load, model, runtime, threads), **arguments)

    return with_model


@click.command()
@_with_model
@_with_format
@_batch_size
@click.argument("files", metavar="[FILE]...", nargs=-1, type=_input)
@click.pass_context
def tag(
    ctx: click.Context,
    load: Callable[[], "Tagger"],
    read: Callable[[Iterable[str]], Iterator[list["Line"]]],
    batch_size: int,
    files: tuple[str, ...],
) -> None:
    """Tag lines of text or JSON: one JSON object out for each line in.

    FILE is - or missing for standard input. Offsets are characters of the line, end exclusive. A line that cannot be
    read becomes {"error": ...} in its place, is reported, and makes the exit status 1.
    """
    from clue_ner.cli.lines import tagged
    from clue_ner.cli.terminal import counter
    from clue_ner.common.json_lines import to_json

    tagger = load()
    out = sys.stdout.buffer
    unreadable = 0
    with counter(shown=not sys.stdout.isatty()) as count:
        for lines in read(files):
            for line, reading in zip(lines, tagger.read([line.text for line in lines], batch_size)):
                out.write(to_json(tagged(line, reading.entities)).encode() + b"\n")
                unreadable += line.error is not None
                count(line.error)
            out.flush()
    if unreadable:
        click.echo(f"error: {unreadable} of the lines could not be read", err=True)
        ctx.exit(1)


@click.command()
@_with_model
@_with_format
@_batch_size
@click.option(
    "--split", type=click.Choice(("unlabelled", "test", "valid")), help="A split of the corpus, instead of FILE."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default="cluener_predict.json",
    show_default=True,
    help="The file to write.",
)
@click.argument("file", required=False, type=_input)
def predict(
    load: Callable[[], "Tagger"],
    read: Callable[[Iterable[str]], Iterator[list["Line"]]],
    batch_size: int,
    split: str | None,
    out: Path,
    file: str | None,
) -> None:
    """Write a split, or a FILE, in CLUE's submission format, and check it.

    One {"id": ..., "label": {type: {surface: [[start, end]]}}} a line, end inclusive. A line of FILE without an id is
    called by its number, from 0. Nothing is written unless all of it is right.
    """
    from clue_ner.cli import submission
    from clue_ner.cli.terminal import counter
    from clue_ner.common.files import write_text

    if (split is None) == (file is None):
        raise click.UsageError("give either --split or a FILE (- is standard input)")
    if file is None:
        texts = submission.identified_sentences(_split(str(split)))
    else:
        texts = submission.identified(line for lines in read((file,)) for line in lines)
    if not texts:
        raise CorpusError(f"{file or split}: no sentence in it, wanted at least one")
    tagger = load()
    entities = []
    with counter(shown=True) as count:
        for reading in tagger.read(texts.values(), batch_size):
            entities.append(reading.entities)
            count(None)
    write_text(out, submission.render(texts, entities, tagger.config.types))
    click.echo(f"{out}: {len(texts)} sentences, {sum(map(len, entities))} entities", err=True)


@click.command()
@_with_model
@click.argument("texts", metavar="[TEXT]...", nargs=-1)
def show(load: Callable[[], "Tagger"], texts: tuple[str, ...]) -> None:
    """Show texts with their entities in colour, or as [text type] where there is none.

    Without TEXT, the lines of standard input.
    """
    from rich.console import Console

    from clue_ner.cli.lines import Line
    from clue_ner.cli.terminal import printer

    tagger = load()
    groups = [[Line(text, {"text": text}) for text in texts]] if texts else _groups((), form="text")
    cast(TextIOWrapper, sys.stdout).reconfigure(errors="replace")
    show_one = printer(Console(), tagger.config.types)
    for lines in groups:
        for line, reading in zip(lines, tagger.read(line.text for line in lines)):
            if line.error is not None:
                raise CorpusError(line.error)
            show_one(line.text, reading.entities)


def _load(model: str | None, runtime: str, threads: int | None) -> "Tagger":
    """The tagger that was asked for, or of the first model there is; stderr gets a line of what it is."""
    from clue_ner.tagger.tagger import Tagger

    name, place = first_model() if model is None else (model, model)
    tagger = Tagger.load(place, runtime, threads)
    assert tagger.source is not None
    where = f"{name} ({tagger.source.folder})" if is_registry_name(name) else name
    click.echo(f"model: {where}, runtime {tagger.source.runtime}", err=True)
    return tagger


def first_model() -> tuple[str, str | Path]:
    """The first model there is, by its name and its folder: of the pipeline, the demo, or last, the registry."""
    root = repository()
    exports = [root / "models" / "export", root / "demo" / "models" / "export"]
    for export in exports:
        if export.is_dir():
            return str(export), export
    searched = f"neither {exports[0]} nor {exports[1]} nor a champion of {' or '.join(CHAMPIONS)} in the registry"
    try:
        with explained("the model registry", "tracking"):
            from clue_ner.tracking import champion_path

            for name in CHAMPIONS:
                if (folder := champion_path(root, name)) is not None:
                    return f"models:/{name}@champion", folder
    except MissingExtraError as error:
        searched = f"neither {exports[0]} nor {exports[1]} ({error})"
    raise ClueNerError(f"no model: there is {searched}; run `make demo` or `dvc repro`, or name one with --model")


def _groups(files: Iterable[str], form: str, key: str = "text", encoding: str | None = None) -> Iterator[list["Line"]]:
    """The lines of all files, or of standard input, in groups as they arrive."""
    from clue_ner.cli.lines import read_lines

    note = functools.partial(click.echo, err=True)

    for file in files or ("-",):
        with click.open_file(file, "rb") as stream:
            name = "stdin" if file == "-" else file
            yield from read_lines(cast(BufferedIOBase, stream), name, form, key, encoding, note)


def _split(name: str) -> list["Sentence"]:
    """The sentences of a split that the download stage wrote."""
    from clue_ner.core.sentences import SPLITS, read_split

    root = repository()
    found = read_split(root, name)
    if found is None:
        there = ", ".join(split for split in SPLITS if (root / SPLITS[split] / f"{split}.jsonl").exists())
        path = root / SPLITS[name] / f"{name}.jsonl"
        if not there:
            raise ArtifactError(f"{path}: no such file; run `dvc repro download`, or name a FILE instead of --split")
        raise ArtifactError(f"{path}: this corpus came without it; there are {there}. Name a FILE instead of --split")
    return found
