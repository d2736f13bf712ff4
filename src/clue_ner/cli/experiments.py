"""``clue-ner results …`` and ``clue-ner sweep``: thin shells over functions, with heavy imports inside."""

from pathlib import Path

import click

from clue_ner.common.errors import ClueNerError
from clue_ner.common.paths import repository


@click.group()
def results() -> None:
    """Finished trainings as rows of docs/results/, and the table made from them."""


@results.command()
@click.option("--rev", metavar="COMMIT|EXPERIMENT", help="Instead of what lies in the working tree.")
@click.option(
    "--timed",
    is_flag=False,
    flag_value="all",
    type=click.Choice(["all", "tagging"]),
    help="Also the speeds: only if nothing else ran beside it, and runs now. tagging: without that of training.",
)
@click.option("--replace", is_flag=True, help="Take the place of the row of this configuration and seed.")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The repository in which it was trained, if not this one.",
)
def add(rev: str | None, timed: str | None, replace: bool, root: Path | None) -> None:
    """Add one finished training as a row."""
    from clue_ner.common.stage import prepare
    from clue_ner.experiments.revision import Folder, Revision, read_experiment
    from tools.results.adding import add

    if rev is not None and timed == "all":
        raise click.UsageError("--timed tells of the training in a working tree; with --rev, --timed tagging")
    prepare()
    here = repository()
    source = Folder(root or here) if rev is None else Revision(root or here, rev)
    row = add(here, read_experiment(source), timed=timed, replace=replace)
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
    tables have them; "default" is what params.yaml says. Of two configurations the seeds that both have are taken.
    """
    from tools.results.compare import RESAMPLES, compare
    from tools.results.configurations import configurations, find
    from tools.results.recipes import read_recipes
    from tools.results.rows import own_params, read_rows

    root = repository()
    base = own_params(root)
    there = configurations(read_rows(root), base, read_recipes(root, base))
    one = compare(root, find(a, there), find(b, there))
    for name, side in (("A", one.a), ("B", one.b)):
        click.echo(f"{name}: {side.name} ({side.label}), seeds {', '.join(map(str, side.seeds))}")
    if one.valid is not None:
        click.echo(f"valid micro F1, A - B: {100 * one.valid:+.2f} points")
    click.echo(
        f"test micro F1, A - B:  {100 * one.test:+.2f} points, 95 % interval {100 * one.low:+.2f} to "
        f"{100 * one.high:+.2f}, p {one.p:.4f} (paired bootstrap, {RESAMPLES:,} resamples)"
    )


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default="sweep.yaml")
def sweep(file: Path) -> None:
    """Search for params with a better valid F1, as FILE says; sweep.yaml by default.

    The same command goes on with a sweep that was stopped. The test split is never looked at.
    """
    from clue_ner.common.stage import prepare
    from clue_ner.experiments.sweep import command, run_sweep
    from clue_ner.experiments.sweep_space import load_sweep

    prepare()
    root = repository()
    plan, base = load_sweep(file, root / "params.yaml")
    trials = run_sweep(root, plan, base, file.read_text(encoding="utf-8"))
    for trial in trials:
        score = "failed" if trial.value is None else f"{100 * trial.value:.2f}"
        told = ", ".join(f"{name}={value}" for name, value in trial.params.items())
        click.echo(f"{trial.number:>5}  {score:>6}  {told}")
    if not trials or trials[0].value is None:
        raise ClueNerError(f"no trial of {plan.name} has finished; the lines above say why")
    click.echo(f"best by valid micro F1: {command(trials[0].params)}")
