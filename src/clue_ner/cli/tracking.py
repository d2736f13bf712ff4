"""``clue-ner ui``, ``sync`` and ``verify``: what MLflow shows and has, and where a model comes from."""

import contextlib

import click

from clue_ner.common.errors import ClueNerError
from clue_ner.common.extras import explained
from clue_ner.common.paths import repository


@click.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Of 127.0.0.1; by default the first free one from 5000 on.",
)
def ui(port: int | None) -> None:
    """Serve MLflow's UI until Ctrl-C, and say where the runs are in it.

    Where MLFLOW_TRACKING_URI is a server, that has the UI, and its addresses are printed.
    """
    with explained("`clue-ner ui`", "tracking"):
        from clue_ner.tracking.ui import show

    with contextlib.suppress(KeyboardInterrupt):
        show(repository(), port, click.echo)


@click.command()
@click.option(
    "--drop",
    metavar="FINGERPRINT",
    multiple=True,
    help="What fails of this training is moved to .tracking/dropped/ and not sent again. The first characters are "
    "enough.",
)
def sync(drop: tuple[str, ...]) -> None:
    """Send MLflow all that it missed: runs, scores, model versions.

    What fails does not stop the rest; it is listed, and the exit status is 1 while something is left.
    """
    with explained("`clue-ner sync`", "train"):
        from clue_ner import tracking

    summary = tracking.sync(repository(), drop)
    for fingerprint in summary.runs:
        restored = " (from models/ and metrics/)" if fingerprint in summary.restored else ""
        click.echo(f"run of training {fingerprint[:12]}: complete{restored}")
    for fingerprint in summary.deleted:
        click.echo(f"run of training {fingerprint[:12]}: deleted in MLflow, and stays so")
    for version in summary.versions:
        click.echo(f"{version.name} version {version.version}: {version.alias}, as {version.reason}")
    for dropped in summary.dropped:
        click.echo(f"dropped to {dropped}")
    if drop and not summary.dropped:
        click.echo("nothing was dropped: all of it went to MLflow")
    if not any((summary.runs, summary.deleted, summary.versions, summary.dropped, summary.problems)):
        click.echo("nothing to send: no training has run here yet")
    if summary.problems:
        raise ClueNerError("\n  ".join([f"{len(summary.problems)} left", *summary.problems]))


@click.command()
@click.argument("model", metavar="[FOLDER|models:/NAME@ALIAS|runs:/RUN_ID/NAME]", default="models/tagger")
@click.pass_context
def verify(ctx: click.Context, model: str) -> None:
    """Trace a model to corpus, params, commit and backbone, comparing every checksum on the way.

    By default models/tagger. The exit status is 1 if anything is wrong or cannot be traced, which the lines say.
    """
    with explained("`clue-ner verify`", "train"):
        from clue_ner.tracking.verify import OK, verify

    bad = 0
    for finding in verify(repository(), model):
        bad += finding.state != OK
        click.echo(f"{finding.state:<10}  {finding.what:<8}  {finding.message}")
    ctx.exit(1 if bad else 0)
