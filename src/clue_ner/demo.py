"""`make demo`: all stages on the embedded sample corpus with the offline backbone, in a separate folder.

`make demo` copies the code to demo/, changes the parameters there, runs `dvc repro` and shows what came out.
Runs and the model ``clue-ner-demo`` are recorded in the repository's own store.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from clue_ner.cli.terminal import printer
from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import read_json, write_text
from clue_ner.common.stage import run
from clue_ner.core.yaml import read_yaml, to_yaml
from clue_ner.experiments.recipes import recipe
from clue_ner.tagger.tagger import Tagger
from clue_ner.tracking.store import announce

CHANGES = {
    **recipe("sample").params,
    "backbone.name": "e5-small",
    "backbone.revision": None,
    "corpus.path": None,
    "tracking.experiment": "clue-ner-demo",
    "tracking.model": "clue-ner-demo",
}
"""The values in which the demo's params.yaml differs from the project's."""
TEMPLATES = ".dvc/plots"
"""The templates of `dvc plots show`."""
SENTENCE = "王德发在杭州参观了阿里巴巴。"
_STAGE = re.compile(r"(?:Running stage|Stage) '(?P<name>\w+)'(?P<same> didn't change| is cached)?")
_CHATTER = re.compile(
    r"\s*$|> |Updating lock file|Use `dvc push`|To track the changes|\s*git add |Data and pipelines are"
)


def main(root: Path) -> None:
    """Make demo/, run the pipeline in it, print the scores and what to do next."""
    root = root.resolve()
    announce(root)
    place = root / "demo"
    prepare(root, place)
    environment = {
        **os.environ,
        "CLUE_NER_HOME": str(root),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }
    _run(place, environment, "dvc", "init", "--no-scm", "--quiet", "--force")
    shutil.copytree(root / TEMPLATES, place / TEMPLATES)  # init empties .dvc
    _run(place, environment, "dvc", "repro")
    show(place)


def run_quietly(command: Sequence[str], place: Path, environment: Mapping[str, str]) -> int:
    """Run DVC, show of its stdout only which stage begins, and return its status. Stages write to stderr."""
    with subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if (stage := _STAGE.match(line)) is not None:
                click.echo(f"stage {stage['name']}{', as before' if stage['same'] else ''}")
            elif not _CHATTER.match(line):
                click.echo(line, nl=False)
    return process.returncode


def prepare(root: Path, place: Path) -> None:
    """Copy the code to ``place``, keeping what an earlier demo left in its cache, and set the parameters.

    Git is not needed, so this also works in a downloaded archive.
    """
    for folder in ("src", "stages"):
        shutil.rmtree(place / folder, ignore_errors=True)
        shutil.copytree(root / folder, place / folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("dvc.yaml", ".dvcignore"):
        shutil.copy(root / name, place / name)
    params = read_yaml((root / "params.yaml").read_bytes(), "params.yaml")
    for name, value in CHANGES.items():
        section, key = name.split(".")
        params[section][key] = value
    write_text(place / "params.yaml", to_yaml(params))


def _run(place: Path, environment: Mapping[str, str], *command: str) -> None:
    if run_quietly(command, place, environment):
        raise ArtifactError(f"{' '.join(command)} failed in {place}; the lines above say why; then `make demo` again")


def show(place: Path) -> None:
    """Print the scores of metrics/evaluate.json as a table, a sentence with its entities, and the next commands."""
    scores = read_json(place / "metrics/evaluate.json")
    console = Console()
    table = Table(
        title=f"Test scores: {scores['sentences']} sentences, {scores['entities']} entities of the sample corpus"
    )
    for column in ("score", "precision", "recall", "F1", "95 % interval"):
        table.add_column(column, justify="left" if column == "score" else "right")
    for name in ("micro", "lenient"):
        row = scores[name]
        table.add_row(name, *(f"{100 * row[key]:.1f}" for key in ("precision", "recall", "f1")), _interval(row))
    official = scores["official"]
    table.add_row("official (macro)", "", "", f"{100 * official['macro_f1']:.1f}", _interval(official))
    console.print(table)
    for text in scores["warnings"]["texts"]:
        console.print(f"warning: {text}", highlight=False, soft_wrap=True, markup=False)
    tagger = Tagger.load(place / "models/export")
    console.print("\nA sentence, tagged by the new model:")
    printer(console, tagger.config.types)(SENTENCE, tagger.tag([SENTENCE])[0])
    console.print(
        "\nNext:\n"
        f"  echo {SENTENCE} | .venv/bin/clue-ner tag     # the same as JSON, with demo/models/export\n"
        "  make ui                                          # the run in MLflow, at the address that it prints\n"
        "  make repro                                       # trains on CLUENER (see README.md)\n",
        highlight=False,
        soft_wrap=True,
    )


def _interval(row: dict[str, list[float]]) -> str:
    low, high = row["f1_ci95"]
    return f"{100 * low:.1f} – {100 * high:.1f}"


if __name__ == "__main__":
    run(main)
