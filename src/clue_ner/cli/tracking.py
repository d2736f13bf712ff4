"""``clue-ner ui``, ``sync`` and ``verify``: MLflow's UI, sending missing data to MLflow, and tracing a model."""

import contextlib

import click

from clue_ner.common.errors import ClueNerError
from clue_ner.common.extras import explained
from clue_ner.common.paths import repository


@click.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Port of 127.0.0.1. Default: the first free one from 5000.",
)
def ui(port: int | None) -> None:
    """Start MLflow's UI until Ctrl-C, and print the address of each experiment's runs.

    If MLFLOW_TRACKING_URI is a server, nothing is started; the addresses are those of that server.
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
    help="Move the parts of this training that cannot be sent to .tracking/dropped/, and do "
    "not send them again. The first characters of the fingerprint are enough.",
)
def sync(drop: tuple[str, ...]) -> None:
    """Send to MLflow the runs, scores and model versions that it does not have yet.

    If one item fails, the others are still sent. Failed items are listed, and the exit status is then 1.
    """
    with explained("`clue-ner sync`", "train"):
        from clue_ner import tracking

    summary = tracking.sync(repository(), drop)
    for fingerprint in summary.runs:
        restored = " (from models/ and metrics/)" if fingerprint in summary.restored else ""
        click.echo(f"run of training {fingerprint[:12]}: complete{restored}")
    for fingerprint in summary.deleted:
        click.echo(f"run of training {fingerprint[:12]}: deleted in MLflow, so not sent again")
    for version in summary.versions:
        click.echo(f"{version.name} version {version.version}: {version.alias}, because {version.reason}")
    for dropped in summary.dropped:
        click.echo(f"moved to {dropped}")
    if drop and not summary.dropped:
        click.echo("nothing was dropped, because everything was sent to MLflow")
    if not any((summary.runs, summary.deleted, summary.versions, summary.dropped, summary.problems)):
        click.echo("nothing to send: no training has run here yet")
    if summary.problems:
        raise ClueNerError("\n  ".join([f"{len(summary.problems)} not sent", *summary.problems]))


@click.command()
@click.argument("model", metavar="[FOLDER|models:/NAME@ALIAS|runs:/RUN_ID/NAME]", default="models/tagger")
@click.pass_context
def verify(ctx: click.Context, model: str) -> None:
    """Trace a model to its corpus, params, commit and backbone, and verify all checksums.

    Default: models/tagger. The exit status is 1 if anything is wrong or cannot be traced; the lines say what.
    """
    with explained("`clue-ner verify`", "train"):
        from clue_ner.tracking.verify import OK, verify

    bad = 0
    for finding in verify(repository(), model):
        bad += finding.state != OK
        click.echo(f"{finding.state:<10}  {finding.what:<8}  {finding.message}")
    ctx.exit(1 if bad else 0)
