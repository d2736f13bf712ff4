"""``clue-ner evaluate``: scores a model, or another system's predictions, on labelled sentences."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from clue_ner.cli import corpus as corpora
from clue_ner.cli.model import with_batch_size, with_computing
from clue_ner.common.errors import CorpusError
from clue_ner.common.extras import explained
from clue_ner.common.paths import repository
from clue_ner.core import plugins

if TYPE_CHECKING:
    from clue_ner.core.entities import Entity, Sentence
    from clue_ner.evaluation.evaluate import Evaluation
    from clue_ner.evaluation.matching import Placed
    from clue_ner.tagger.tagger import Tagger

SEED = 0
"""Random seed of the resamples for the intervals."""
TO_SCORE = ("test", "valid", "train")
"""The splits of a corpus in order of preference; the first that exists is scored."""


class _Gold(NamedTuple):
    name: str
    """what the sentences are called in the output and in MLflow"""
    sentences: "list[Placed]"


@click.command()
@click.argument("names", metavar="[MODEL] CORPUS", nargs=-1, required=True)
@click.option(
    "--predictions",
    type=click.Path(exists=True, path_type=Path),
    help="Instead of MODEL: predictions of another system, a file in any layout.",
)
@click.option(
    "--predictions-from",
    type=click.Choice(corpora.LAYOUTS),
    default=plugins.AUTO,
    show_default=True,
    help="The layout of the predictions.",
)
@corpora.with_layout
@click.option("--split", type=click.Choice(TO_SCORE), help="The split of CORPUS; default: the first that it has.")
@with_computing
@with_batch_size
@click.option(
    "--bootstrap", type=click.IntRange(min=100), default=1000, show_default=True, help="Resamples for the intervals."
)
@click.option(
    "--examples", type=click.IntRange(min=0), default=3, show_default=True, help="Maximum for each kind of error."
)
@click.option("--json", "as_json", is_flag=True, help="Write the scores as JSON.")
@click.option("--log", is_flag=True, help="Add the scores to the model's version in MLflow, with the dataset's digest.")
def evaluate(
    names: tuple[str, ...],
    predictions: Path | None,
    predictions_from: str,
    layout: str,
    options: corpora.Options,
    revision: str | None,
    split: str | None,
    load: "Callable[[str], Tagger]",
    batch_size: int,
    bootstrap: int,
    examples: int,
    as_json: bool,
    log: bool,
) -> None:
    """Score MODEL on CORPUS: a labelled file in any layout, a folder, a corpus's name, or a data set on the hub.

    MODEL is a folder, or models:/NAME@ALIAS, models:/NAME/VERSION, runs:/RUN_ID/NAME as MLflow calls it.

    With --predictions FILE instead of MODEL, score what another system predicted. It is matched by id, or without ids
    by order; each text has to be the same.
    """
    with explained("`clue-ner evaluate`"):
        from clue_ner.core.params import EvaluateParams
        from clue_ner.evaluation.evaluate import evaluate_predictions, evaluate_tagger
        from clue_ner.evaluation.matching import match

    if len(names) != (1 if predictions else 2):
        raise click.UsageError("give MODEL and CORPUS, or CORPUS alone and --predictions FILE")
    if log and predictions:
        raise click.UsageError("--log goes with MODEL: predictions are no model in MLflow")
    gold = _gold(names[-1], layout, options, revision, split)
    settings = EvaluateParams(bootstrap=bootstrap, examples=examples)
    if predictions is None:
        tagger = load(names[0])
        sentences = [placed.sentence for placed in gold.sentences if placed.labelled]
        found = evaluate_tagger(_not_empty(sentences, gold), tagger, settings, SEED, gold.name, batch_size)
        trained = tagger.config.trained.fingerprint
        what, types = (
            {"model": names[0], "training": trained, "device": tagger.runtime.device_name},
            tagger.config.types,
        )
    else:
        sentences, entities = match(gold.sentences, corpora.placed(predictions, predictions_from, options))
        found = evaluate_predictions(_not_empty(sentences, gold), entities, settings, SEED)
        what, types = {"predictions": str(predictions)}, None
    result = _result(what, gold, sentences, found, types)
    if log:
        result["logged"] = _log(str(what["training"]), gold.name, result)
    _print(result, as_json)


def _gold(name: str, layout: str, options: corpora.Options, revision: str | None, split: str | None) -> _Gold:
    """The sentences to score on: all of a file, or one split of a corpus."""
    from clue_ner.evaluation.matching import Placed

    path = Path(name)
    on_hub = corpora.is_on_hub(name, layout, revision)
    if split is None and corpora.is_one_file(path, layout):
        return _Gold(path.stem, corpora.placed(path, layout, options))
    with explained("this corpus"):
        corpus, _ = corpora.load(name, layout, options, revision)
    chosen = split or next(known for known in TO_SCORE if known in corpus.splits)
    if chosen not in corpus.splits:
        raise CorpusError(f"{name}: it has no split {chosen}; there are {', '.join(corpus.splits)}")
    called = f"{path.resolve().name if path.exists() or on_hub else corpus.name}-{chosen}"
    return _Gold(called, [Placed(f"{called} {s.id}", s, True) for s in corpus.splits[chosen]])


def _not_empty(sentences: "list[Sentence]", gold: _Gold) -> "list[Sentence]":
    if not sentences:
        raise CorpusError(
            f"{gold.name}: none of its {len(gold.sentences)} sentences is labelled, wanted at least one to score on; "
            "a sentence without entities needs an empty list"
        )
    return sentences


def _result(
    what: dict[str, Any],
    gold: _Gold,
    sentences: "list[Sentence]",
    found: "Evaluation",
    types: Sequence[str] | None,
) -> dict[str, Any]:
    """The whole output: the keys of metrics/evaluate.json, and the names of what was scored and on what."""
    from clue_ner.core.entities import fingerprint

    unlabelled = len(gold.sentences) - len(sentences)
    return {
        **what,
        "dataset": gold.name,
        "fingerprint": fingerprint(sentences),
        "unlabelled": unlabelled,
        **found.scores,
        "errors": found.errors,
        "warnings": list(_warnings(sentences, found.predicted, unlabelled, types)),
    }


def _warnings(
    sentences: "Sequence[Sentence]",
    predicted: "Sequence[Sequence[Entity]]",
    unlabelled: int,
    types: Sequence[str] | None,
) -> Iterator[str]:
    """Warnings about the scores; ``types`` are those of the model, None for another system."""
    wanted = Counter(entity.type for sentence in sentences for entity in sentence.entities)
    found = Counter(entity.type for entities in predicted for entity in entities)
    known = found if types is None else types
    if missed := [f"{type_} ({number})" for type_, number in sorted(wanted.items()) if type_ not in known]:
        yield f"types that are never predicted, so that all their entities count as missed: {', '.join(missed)}"
    if extra := [f"{type_} ({number})" for type_, number in sorted(found.items()) if type_ not in wanted]:
        yield f"types that do not occur in gold, so that all their entities count as wrong: {', '.join(extra)}"
    if unlabelled:
        yield f"{unlabelled} sentences are unlabelled and therefore not scored"
    if not wanted:
        yield "there is no entity in the gold sentences, so nothing can be found"


def _log(fingerprint: str, dataset: str, result: dict[str, Any]) -> str:
    with explained("--log", "tracking"):
        from clue_ner.tracking import log_evaluation
    return log_evaluation(repository(), fingerprint, dataset, result)


def _print(result: dict[str, Any], as_json: bool) -> None:
    from clue_ner.cli.evaluation_tables import print_evaluation
    from clue_ner.cli.tables import console

    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False, indent=2))
    else:
        print_evaluation(console(), result)
