"""``clue-ner sync`` and ``verify``: what MLflow has, and where a model comes from."""

import click

from clue_ner.common.errors import ClueNerError
from clue_ner.common.extras import explained
from clue_ner.common.paths import repository


@click.command()
def sync() -> None:
    """Send MLflow all that it missed: runs, scores, model versions."""
    with explained("`clue-ner sync`", "train"):
        from clue_ner import tracking

    summary = tracking.sync(repository())
    for fingerprint in summary.runs:
        restored = " (from models/ and metrics/)" if fingerprint in summary.restored else ""
        click.echo(f"run of training {fingerprint[:12]}: complete{restored}")
    for version in summary.versions:
        click.echo(f"{version.name} version {version.version}: {version.alias}, as {version.reason}")
    if not summary.runs and not summary.versions:
        click.echo("nothing to send: no training has run here yet")
    if summary.problems:
        raise ClueNerError("\n  ".join([f"{len(summary.problems)} left", *summary.problems]))


@click.command()
@click.argument("model", metavar="[FOLDER|models:/NAME@ALIAS]", default="models/tagger")
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
