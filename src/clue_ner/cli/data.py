"""``clue-ner data``: reports on a corpus before training."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clue_ner.cli import corpus as corpora
from clue_ner.cli.model import FORMS
from clue_ner.common.errors import BackboneError
from clue_ner.common.extras import explained
from clue_ner.common.paths import repository

if TYPE_CHECKING:
    from clue_ner.core.params import TaggingParams
    from clue_ner.data_report.losses import Alignments


@click.command()
@click.argument("corpus", required=False)
@corpora.with_layout
@click.option("--model", metavar=FORMS, help="Check windows and alignments with this model's tokenizer.")
@click.option("--examples", type=click.IntRange(min=0), default=3, show_default=True, help="Maximum for each finding.")
@click.option("--json", "as_json", is_flag=True, help="Write the report as JSON.")
def data(
    corpus: str | None,
    layout: str,
    options: corpora.Options,
    revision: str | None,
    model: str | None,
    examples: int,
    as_json: bool,
) -> None:
    """Report on a corpus before training: sizes, lengths, labels, unusual characters, lost entities, warnings.

    CORPUS is a folder, a file, a corpus's name, or with --from hugging_face a data set on the hub (ORG/NAME); by
    default that of params.yaml. Train is examined as a whole, before valid or test sentences are taken from it.
    Alignments are checked with the tokenizer of --model, or else of data/backbone, or else of e5-small.
    """
    with explained("`clue-ner data`"):
        from clue_ner.cli.data_tables import print_report
        from clue_ner.cli.tables import console
        from clue_ner.data_report.report import report

        found, where = corpora.load(corpus, layout, options, revision)
    made = {"corpus": where, **report(found, _alignments(model), examples)}
    if as_json:
        click.echo(json.dumps(made, ensure_ascii=False, indent=2))
    else:
        print_report(console(), made)


def _alignments(model: str | None) -> "Alignments | str":
    """The alignments of the first tokenizer there is, or why there is none."""
    from clue_ner.data_report.losses import Alignments
    from clue_ner.tagger.tagger import find_model

    if model is not None:
        return Alignments.of_model(find_model(model)[1], f"of model {model}")
    tagging, folder = _tagging(), repository() / "data" / "backbone"
    if (folder / "tokenizer.json").is_file():
        return Alignments.of_backbone(folder, f"of {folder}", tagging)
    try:
        return _of_e5_small(tagging)
    except (BackboneError, ImportError) as error:
        return f"there is no {folder}, and {error}; name a model with --model"


def _of_e5_small(tagging: "TaggingParams") -> "Alignments":
    from clue_ner.backbones.e5_small import fetch_tokenizer
    from clue_ner.data_report.losses import Alignments

    with tempfile.TemporaryDirectory() as folder:
        fetch_tokenizer(Path(folder))
        return Alignments.of_backbone(Path(folder), "of e5-small, as there is no data/backbone", tagging)


def _tagging() -> "TaggingParams":
    """The section of the repository's params.yaml, or as it is in the project's own."""
    from clue_ner.core.params import TaggingParams, load_params

    path = repository() / "params.yaml"
    if path.is_file():
        return load_params(path).tagging
    return TaggingParams(scheme="BIO", align="characters_over_pieces", window=256, overlap=64)
