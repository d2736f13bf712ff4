"""``clue-ner``: the command line. Heavy libraries are imported only by the commands that need them."""

from typing import Any

import click

import clue_ner
from clue_ner.cli.convert import convert
from clue_ner.cli.data import data
from clue_ner.cli.evaluate import evaluate
from clue_ner.cli.recipe import recipe
from clue_ner.cli.serve import serve
from clue_ner.cli.sweep import sweep
from clue_ner.cli.tag import tag
from clue_ner.cli.tagging import predict, show
from clue_ner.cli.tracking import sync, ui, verify
from clue_ner.common.errors import ClueNerError
from clue_ner.common.redaction import keep_secrets


class Program(click.Group):
    """A group of commands that end with ``error: …`` and status 1 on errors, and with 130 on Ctrl-C."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; click handles broken pipes silently. Secrets are removed from stderr."""
        keep_secrets("stderr")
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(130)
        except BrokenPipeError:
            raise
        except (ClueNerError, OSError) as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(1)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(clue_ner.__version__, prog_name="clue-ner")
def main() -> None:
    """Find named entities in Chinese text, and manage models and runs."""


for command in (tag, show, predict, serve, convert, data, evaluate, ui, sync, verify, recipe, sweep):
    main.add_command(command)


if __name__ == "__main__":
    main()
