"""``clue-ner sweep``: hyperparameter search."""

from pathlib import Path

import click

from clue_ner.common.errors import ClueNerError
from clue_ner.common.extras import explained
from clue_ner.common.git import commit_of
from clue_ner.common.paths import repository


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default="sweep.yaml")
def sweep(file: Path) -> None:
    """Search for params with a better valid F1 in the space that FILE defines (default: sweep.yaml).

    The same command resumes a sweep that was stopped. The test split is never scored.
    """
    from clue_ner.common.stage import prepare

    with explained("`clue-ner sweep`", "sweep"):
        from clue_ner.experiments.sweep import command, run_sweep
        from clue_ner.experiments.sweep_space import load_sweep
        from clue_ner.tracking.store import announce

    prepare()
    root = repository()
    announce(root)
    commit_of(root)  # which experiments start from
    plan, base = load_sweep(file, root / "params.yaml")
    trials = run_sweep(root, plan, base, file.read_text(encoding="utf-8"))
    for trial in trials:
        score = "failed" if trial.value is None else f"{100 * trial.value:.2f}"
        params = ", ".join(f"{name}={value}" for name, value in trial.params.items())
        click.echo(f"{trial.number:>5}  {score:>6}  {params}")
    if not trials or trials[0].value is None:
        raise ClueNerError(f"no trial of {plan.name} has finished; see the lines above")
    click.echo(f"best by valid micro F1: {command(trials[0].params)}")
