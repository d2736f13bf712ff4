"""``clue-ner show`` and ``predict``: what a model finds in texts, for the eye and for CLUE."""

import sys
from collections.abc import Callable, Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from clue_ner.cli.inputs import INPUT, groups, with_format
from clue_ner.cli.model import with_batch_size, with_model
from clue_ner.common.errors import ArtifactError, CorpusError
from clue_ner.common.paths import repository

if TYPE_CHECKING:
    from clue_ner.cli.records import Line
    from clue_ner.core.entities import Sentence
    from clue_ner.tagger.tagger import Tagger


@click.command()
@with_model
@with_format
@with_batch_size
@click.option(
    "--split", type=click.Choice(("unlabelled", "test", "valid")), help="A split of the corpus, instead of FILE."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default="cluener_predict.json",
    show_default=True,
    help="The output file.",
)
@click.argument("file", required=False, type=INPUT)
def predict(
    load: Callable[[], "Tagger"],
    read: Callable[[Iterable[str]], Iterator[list["Line"]]],
    batch_size: int,
    split: str | None,
    out: Path,
    file: str | None,
) -> None:
    """Write the entities of a split or a FILE in CLUE's submission format, and validate it.

    Each line is {"id": ..., "label": {type: {surface: [[start, end]]}}}, end inclusive. A line of FILE without an id
    gets its line number, from 0. Nothing is written if anything is invalid.
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
@with_model
@click.argument("texts", metavar="[TEXT]...", nargs=-1)
def show(load: Callable[[], "Tagger"], texts: tuple[str, ...]) -> None:
    """Show texts with their entities in colour, or as [text type] where there are no colours.

    Without TEXT, reads lines from standard input.
    """
    from rich.console import Console

    from clue_ner.cli.records import Line
    from clue_ner.cli.terminal import printer

    tagger = load()
    found = [[Line(text, {"text": text}) for text in texts]] if texts else groups((), form="text")
    cast(TextIOWrapper, sys.stdout).reconfigure(errors="replace")
    show_one = printer(Console(), tagger.config.types)
    for lines in found:
        for line, reading in zip(lines, tagger.read(line.text for line in lines)):
            if line.error is not None:
                raise CorpusError(line.error)
            show_one(line.text, reading.entities)


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
