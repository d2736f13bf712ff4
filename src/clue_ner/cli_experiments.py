"""``clue-ner results …``: a thin shell over functions. Heavy imports wait until a command needs them."""

from pathlib import Path

import click

from clue_ner.repository import repository


@click.group()
def results() -> None:
    """Finished trainings as rows of docs/results/, and the table made from them."""


@results.command()
@click.option("--rev", metavar="COMMIT|EXPERIMENT", help="Instead of what lies in the working tree.")
@click.option("--timed", is_flag=True, help="Also the speeds: only if nothing else ran beside it, and runs now.")
@click.option("--replace", is_flag=True, help="Take the place of the row of this configuration and seed.")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The repository in which it was trained, if not this one.",
)
def add(rev: str | None, timed: bool, replace: bool, root: Path | None) -> None:
    """Add one finished training as a row."""
    from clue_ner.experiments import Folder, Revision, read_experiment
    from clue_ner.results.adding import add
    from clue_ner.stage import prepare

    if rev is not None and timed:
        raise click.UsageError("--timed measures a working tree; it does not go with --rev")
    prepare()
    here = repository()
    source = Folder(root or here) if rev is None else Revision(root or here, rev)
    row = add(here, read_experiment(source), timed=timed, replace=replace)
    click.echo(f"{row.row}: micro F1 {100 * row.micro_f1:.2f}, {row.command}")
