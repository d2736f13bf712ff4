"""An evaluation as tables: three scores, types, errors."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console

from clue_ner.cli.tables import number, show, table
from clue_ner.evaluation.error_analysis import KINDS

SCORES = {"micro": "f1", "lenient": "f1", "official": "macro_f1"}
"""The three scores, and what each calls its F1."""
HEADINGS = ["precision", "recall", "F1", "95 % interval"]


def print_evaluation(to: Console, result: Mapping[str, Any]) -> None:
    """Print what ``clue-ner evaluate`` found; rates in percent."""
    what = f"model {result['model']}" if "model" in result else f"predictions {result['predictions']}"
    sizes = f"{number(result['sentences'])} sentences, {number(result['entities'])} entities"
    show(to, f"{what} on {result['dataset']}: {sizes}", table(["score", *HEADINGS], _scores(result)))
    per_type = result["micro"]["per_type"]
    show(to, "By type (micro)", table(["type", "entities", *HEADINGS], _types(per_type)))
    errors = result["errors"]
    show(to, "Errors by kind", table(["type", *(_words(kind) for kind in KINDS)], _errors(errors)))
    show(to, "Examples of errors", _examples(errors["examples"]))
    show(to, "Warnings", (f"- {warning}" for warning in result["warnings"]))
    show(to, "In MLflow", [result["logged"]] if "logged" in result else [])


def _scores(result: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, f1 in SCORES.items():
        score = result[name]
        yield [name, _rate(score.get("precision")), _rate(score.get("recall")), _rate(score[f1]), _interval(score)]


def _types(per_type: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, score in per_type.items():
        rates = (_rate(score[rate]) for rate in ("precision", "recall", "f1"))
        yield [name, number(score["support"]), *rates, _interval(score)]


def _errors(errors: Mapping[str, Any]) -> Iterator[list[str]]:
    for name, counts in errors["per_type"].items():
        yield [name, *(number(counts[kind]) for kind in KINDS)]
    yield ["all", *(number(errors["counts"][kind]) for kind in KINDS)]


def _examples(examples: Mapping[str, Any]) -> Iterator[str]:
    for kind, found in examples.items():
        for one in found:
            gold, predicted = _entity(one["gold"]), _entity(one["predicted"])
            yield f"{_words(kind)}: {gold} -> {predicted} in {one['text']}"


def _entity(entity: Mapping[str, Any] | None) -> str:
    return "nothing" if entity is None else f"[{entity['text']} {entity['type']}]"


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _rate(rate: float | None) -> str:
    return "" if rate is None else f"{100 * rate:.2f}"


def _interval(score: Mapping[str, Any]) -> str:
    return " - ".join(map(_rate, score["f1_ci95"]))
