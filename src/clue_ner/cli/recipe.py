"""``clue-ner recipe``: ready-made ``dvc exp run`` commands."""

import click

from clue_ner.common.extras import explained


@click.command()
@click.argument("name", required=False)
def recipe(name: str | None) -> None:
    """List recipes, or print the command that runs the recipe NAME.

    More options can be added: `$(clue-ner recipe quick) -S seed=2`.
    """
    with explained("`clue-ner recipe`", "train"):
        from clue_ner.experiments import recipes

    if name is not None:
        click.echo(recipes.recipe(name).line)
        return
    for known, each in recipes.RECIPES.items():
        click.echo(f"{known:<12} {each.about}\n{'':<12} {each.line}")
