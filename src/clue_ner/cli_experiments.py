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


@results.command()
def table() -> None:
    """Write the tables of docs/results.md and its figure from the rows."""
    from clue_ner.results.table import FIGURE, write_table

    found = write_table(repository())
    rows = sum(len(configuration.rows) for configuration in found)
    click.echo(f"docs/results.md, {FIGURE}: {rows} rows of {len(found)} configurations")


@results.command()
@click.argument("a")
@click.argument("b", default="default")
def compare(a: str, b: str) -> None:
    """Compare two configurations by a paired bootstrap over the test sentences.

    A and B are rows, configurations (a row's name without its seed) or labels such as "head=softmax"; "default" is what
    params.yaml says. Of two configurations the seeds that both have are taken.
    """
    from clue_ner.results.compare import RESAMPLES, compare
    from clue_ner.results.configurations import configurations, find
    from clue_ner.results.rows import own_params, read_rows

    root = repository()
    there = configurations(read_rows(root), own_params(root))
    one = compare(root, find(a, there), find(b, there))
    for name, side in (("A", one.a), ("B", one.b)):
        click.echo(f"{name}: {side.name} ({side.label}), seeds {', '.join(map(str, side.seeds))}")
    if one.valid is not None:
        click.echo(f"valid micro F1, A - B: {100 * one.valid:+.2f} points")
    click.echo(
        f"test micro F1, A - B:  {100 * one.test:+.2f} points, 95 % interval {100 * one.low:+.2f} to "
        f"{100 * one.high:+.2f}, p {one.p:.4f} (paired bootstrap, {RESAMPLES:,} resamples)"
    )
