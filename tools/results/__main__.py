"""``python -m tools.results …``: rows of docs/results/ from finished trainings, and the table made from them."""

from pathlib import Path

import click

from clue_ner.cli.main import Program
from clue_ner.common.paths import repository


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
def results() -> None:
    """Add finished trainings to docs/results/, and make the tables from them."""


@results.command()
@click.option("--rev", metavar="COMMIT|EXPERIMENT", help="Add this commit or experiment instead of the working tree.")
@click.option(
    "--timed",
    is_flag=False,
    flag_value="all",
    type=click.Choice(["all", "tagging"]),
    help="Also add the speeds; only if nothing else ran or runs on the machine. tagging: only the speed of tagging.",
)
@click.option("--replace", is_flag=True, help="Replace the existing row of this configuration and seed.")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The clone in which it was trained, if not this one.",
)
def add(rev: str | None, timed: str | None, replace: bool, root: Path | None) -> None:
    """Add one finished training as a row."""
    from clue_ner.common.stage import prepare
    from tools.results.adding import add
    from tools.results.experiment import open_experiment

    if rev is not None and timed == "all":
        raise click.UsageError("--timed needs a training in the working tree; with --rev, use --timed tagging")
    prepare()
    here = repository()
    with open_experiment(root or here, rev) as experiment:
        row = add(here, experiment, timed=timed, replace=replace)
    click.echo(f"{row.row}: micro F1 {100 * row.micro_f1:.2f}, {row.command}")


@results.command()
def table() -> None:
    """Write the tables of docs/results.md and its figure from the rows."""
    from tools.results.table import FIGURE, write_table

    found = write_table(repository())
    rows = sum(len(configuration.rows) for configuration in found)
    click.echo(f"docs/results.md, {FIGURE}: {rows} rows of {len(found)} configurations")


@results.command()
@click.argument("a")
@click.argument("b", default="default")
def compare(a: str, b: str) -> None:
    """Compare two configurations by a paired bootstrap over the test sentences.

    A and B are rows, configurations (a row's name without its seed) or labels such as "quick, head=softmax", as the
    tables have them; "default" is the params in params.yaml. Of two configurations the seeds that both have are taken.
    """
    from tools.results.compare import RESAMPLES, compare
    from tools.results.configurations import configurations, find
    from tools.results.recipes import read_recipes
    from tools.results.rows import own_params, read_counts, read_rows

    root = repository()
    base = own_params(root)
    there = configurations(read_rows(root), base, read_recipes(root, base))
    one = compare(read_counts(root), find(a, there), find(b, there))
    for name, side in (("A", one.a), ("B", one.b)):
        click.echo(f"{name}: {side.name} ({side.label}), seeds {', '.join(map(str, side.seeds))}")
    if one.valid is not None:
        click.echo(f"valid micro F1, A - B: {100 * one.valid:+.2f} points")
    click.echo(
        f"test micro F1, A - B:  {100 * one.test:+.2f} points, 95 % interval {100 * one.low:+.2f} to "
        f"{100 * one.high:+.2f}, p {one.p:.4f} (paired bootstrap, {RESAMPLES:,} resamples)"
    )


if __name__ == "__main__":
    results()
