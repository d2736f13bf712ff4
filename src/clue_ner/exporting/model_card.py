"""The model card: README.md of the exported model, understandable without the repository. It has no corpus text."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from clue_ner.common.redaction import redact
from clue_ner.core import plugins
from clue_ner.core.params import dotted
from clue_ner.tagger.config import TaggerConfig

TEMPLATE = "model_card.md.jinja"


def render(
    config: TaggerConfig,
    corpus: dict[str, Any],
    train: dict[str, Any],
    scores: dict[str, Any],
    parity: dict[str, Any],
    obstacle: str | None,
) -> str:
    """The card in Markdown, with front matter for model hubs, without secrets.

    - ``config``: the tagger's configuration
    - ``corpus``: ``describe_corpus``
    - ``train``, ``scores``: metrics/train.json and metrics/evaluate.json
    - ``parity``: ``parity.report``
    - ``obstacle``: what ``stock_transformers.write`` returned
    """
    trained = config.trained
    name = f"{trained.corpus.name}, {trained.params['backbone']['name']}, {config.head}"
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cell": _cell, "percent": _percent}
    text = environment.get_template(TEMPLATE).render(
        front_matter=_front_matter(config, scores, name),
        name=name,
        config=config,
        reads_tags=plugins.reads_tags(config.head),
        trained=trained,
        params=dotted(trained.params),
        corpus=corpus,
        train=train,
        scores=scores,
        parity=parity,
        obstacle=obstacle,
    )
    return redact(text)


def _results(corpus: str, scores: dict[str, Any]) -> list[Any]:
    """The scores in the format of model hubs; empty if no split was scored."""
    from huggingface_hub import EvalResult

    if scores["split"] is None:
        return []
    values = {
        "micro precision": ("precision", scores["micro"]["precision"]),
        "micro recall": ("recall", scores["micro"]["recall"]),
        "micro F1": ("f1", scores["micro"]["f1"]),
        "lenient F1": ("f1", scores["lenient"]["f1"]),
        "official macro F1": ("f1", scores["official"]["macro_f1"]),
    }
    return [
        EvalResult(
            task_type="token-classification",
            dataset_type=corpus,
            dataset_name=corpus,
            dataset_split=scores["split"],
            metric_type=kind,
            metric_value=round(value, 4),
            metric_name=metric,
        )
        for metric, (kind, value) in values.items()
    ]


def _front_matter(config: TaggerConfig, scores: dict[str, Any], name: str) -> str:
    from huggingface_hub import ModelCardData

    corpus, backbone = config.trained.corpus, config.trained.backbone
    data = ModelCardData(
        language="zh",
        license=_licence(corpus.licence, backbone["licence"]),
        base_model=None if backbone["kind"] == "folder" else backbone["name"],
        pipeline_tag="token-classification",
        tags=["token-classification", "named-entity-recognition", "chinese"],
        metrics=["precision", "recall", "f1"],
        model_name=f"clue-ner {name}",
        eval_results=_results(corpus.name, scores) or None,
    )
    return str(data.to_yaml()).strip()


def _licence(corpus: str, backbone: str) -> str:
    """The name of a licence if corpus and backbone have the same, else ``other``: the sections name both.

    >>> _licence("MIT, as the project", "mit"), _licence("not stated", "mit")
    ('mit', 'other')
    """
    ours, theirs = (text.partition(",")[0].strip().lower() for text in (corpus, backbone))
    return ours if ours == theirs and " " not in ours else "other"


def _cell(value: Any) -> str:
    """A value in a table cell; secrets are removed first, because escaping ``|`` would hide them."""
    return redact(str(value)).replace("|", "\\|")


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"
