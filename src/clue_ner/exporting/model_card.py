"""The model card: README.md beside the model, for whoever finds it without the repository. It quotes no corpus text."""

from collections.abc import Iterable, Iterator
from typing import Any

from clue_ner.common.redaction import redact
from clue_ner.network.heads import reads_tags
from clue_ner.runtimes.onnx import GRAPHS

TITLE = "Chinese named entity recognition"


def render(
    tagger: dict[str, Any],
    corpus: dict[str, Any],
    train: dict[str, Any],
    scores: dict[str, Any],
    parity: dict[str, Any],
    obstacle: str | None,
) -> str:
    """Markdown with the front matter that model hubs read.

    From tagger.json, data/corpus/corpus.json, metrics/train.json, metrics/evaluate.json, ``parity.report``, and what
    ``transformers_format.write`` says against stock transformers.
    """
    sections = (
        f"# {TITLE}: {_name(tagger)}",
        _summary(tagger, obstacle),
        "## Scores",
        _scores(corpus, train, scores),
        "## Use",
        _use(tagger, parity["formats"], obstacle),
        "## Formats",
        _formats(parity),
        "## Limits",
        _limits(tagger),
        "## Data",
        _data(tagger, corpus),
        "## Backbone",
        _backbone(tagger["trained"]["backbone"]),
        "## Training",
        _training(tagger, train),
    )
    return redact(f"---\n{_front_matter(tagger, scores)}\n---\n\n" + "\n\n".join(sections) + "\n")


def _front_matter(tagger: dict[str, Any], scores: dict[str, Any]) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    corpus, backbone = tagger["trained"]["corpus"], tagger["trained"]["backbone"]
    values = {
        "micro precision": ("precision", scores["micro"]["precision"]),
        "micro recall": ("recall", scores["micro"]["recall"]),
        "micro F1": ("f1", scores["micro"]["f1"]),
        "lenient F1": ("f1", scores["lenient"]["f1"]),
        "official macro F1": ("f1", scores["official"]["macro_f1"]),
    }
    results = [
        EvalResult(
            task_type="token-classification",
            dataset_type=corpus["name"],
            dataset_name=corpus["name"],
            dataset_split=scores["split"],
            metric_type=kind,
            metric_value=round(value, 4),
            metric_name=name,
        )
        for name, (kind, value) in values.items()
    ]
    card = ModelCardData(
        language="zh",
        license=_licence(corpus["licence"], backbone["licence"]),
        base_model=None if backbone["kind"] == "folder" else backbone["name"],
        pipeline_tag="token-classification",
        tags=["token-classification", "named-entity-recognition", "chinese"],
        metrics=["precision", "recall", "f1"],
        model_name=f"clue-ner {_name(tagger)}",
        eval_results=results,
    )
    return str(card.to_yaml()).strip()


def _licence(corpus: str, backbone: str) -> str:
    """A licence's name if corpus and backbone have the same, else ``other``: the sections name both.

    >>> _licence("MIT, as the project", "mit"), _licence("not stated", "mit")
    ('mit', 'other')
    """
    ours, theirs = (text.partition(",")[0].strip().lower() for text in (corpus, backbone))
    return ours if ours == theirs and " " not in ours else "other"


def _name(tagger: dict[str, Any]) -> str:
    trained = tagger["trained"]
    return f"{trained['corpus']['name']}, {trained['params']['backbone']['name']}, {tagger['head']}"


def _summary(tagger: dict[str, Any], obstacle: str | None) -> str:
    stock = "Stock transformers reads it as well." if obstacle is None else f"It needs clue-ner: {obstacle}."
    return (
        f"Finds entities of {len(tagger['types'])} types in Chinese text ({', '.join(tagger['types'])}) and says where "
        f"they are, in characters, with a score from 0 to 1. A BERT encoder with head `{tagger['head']}`, alignment "
        f"`{tagger['align']}` and scheme `{tagger['scheme']}`, fine-tuned with clue-ner. {stock}"
    )


def _scores(corpus: dict[str, Any], train: dict[str, Any], scores: dict[str, Any]) -> str:
    micro, lenient, official = scores["micro"], scores["lenient"], scores["official"]
    rows = [
        ["micro: exact start, end and type", *_rates(micro), _interval(micro)],
        ["lenient: seqeval's default mode", *_rates(lenient), _interval(lenient)],
        ["official: sets of surfaces, mean over types", "", "", _percent(official["macro_f1"]), _interval(official)],
    ]
    types = [
        [name, *_rates(line), _interval(line), str(line["support"])] for name, line in sorted(micro["per_type"].items())
    ]
    valid = "" if train["valid_micro_f1"] is None else f" Micro F1 on valid: {_percent(train['valid_micro_f1'])}."
    chosen = "" if scores["split"] != "valid" else " The corpus has no test split; valid also chose the epoch."
    return "\n\n".join(
        (
            f"On split `{scores['split']}` of {corpus['name']}: {scores['sentences']} sentences, {scores['entities']} "
            f"entities. In percent; intervals are 95 % bootstrap intervals over sentences.{valid}{chosen}",
            _table(["score", "precision", "recall", "F1", "95 %"], rows),
            "Micro, by type:",
            _table(["type", "precision", "recall", "F1", "95 %", "entities"], types),
        )
    )


def _use(tagger: dict[str, Any], formats: dict[str, Any], obstacle: str | None) -> str:
    parts = [
        "`FOLDER` is the folder that holds this file.",
        "```\necho 一行一句中文 | clue-ner tag --model FOLDER\n```",
        "```python\n"
        "from clue_ner import Tagger\n\n"
        'tagger = Tagger.load("FOLDER")\n'
        'tagger.tag(["一行一句中文"])  # a list of Entity(start, end, type, score) for each text; end exclusive\n'
        "```",
    ]
    if "int8" in formats:
        parts.append(
            "Faster on a processor, with ONNX Runtime in torch's place:\n\n"
            "```\necho 一行一句中文 | clue-ner tag --model FOLDER --runtime int8\n```\n\n"
            '```python\nTagger.load("FOLDER", runtime="int8", threads=2)\n```'
        )
    if obstacle is None:
        parts.append(
            "Without clue-ner, where `stride` is for texts longer than a window:\n\n```python\n"
            "from transformers import pipeline\n\n"
            'ner = pipeline("ner", model="FOLDER/transformers", aggregation_strategy="simple", '
            f"stride={tagger['overlap']})\n```"
        )
    return "\n\n".join(parts)


def _formats(parity: dict[str, Any]) -> str:
    files = {
        "torch": "`tagger/`: safetensors, for `Tagger.load`",
        "onnx": f"`onnx/{GRAPHS['onnx']}`: float32",
        "int8": f"`onnx/{GRAPHS['int8']}`: dynamic int8",
        "transformers": "`transformers/`: for stock transformers",
    }
    rows = [
        [
            files[name],
            f"{line['bytes'] / 1e6:.1f}",
            _percent(line["micro_f1"]) if "micro_f1" in line else "",
            f"{line['logit_difference']:.2g}" if "logit_difference" in line else "",
            str(line.get("tokens_per_second", "")),
            {True: "yes", False: "**no**"}[line.get("ok", True)],
        ]
        for name, line in parity["formats"].items()
    ]
    note = f"Measured on the first {parity['sentences']} sentences of that split, on {parity['threads']} CPU threads."
    if stock := parity["formats"].get("transformers"):
        note += f" Stock transformers finds the same entities in {_percent(stock['same_entities'])} % of them."
    header = ["format", "MB", "micro F1", "largest logit difference", "tokens a second", "near enough"]
    return f"{_table(header, rows)}\n\n{note}"


def _limits(tagger: dict[str, Any]) -> str:
    return "\n".join(
        (
            "- The scores hold for text like the corpus, sentence by sentence: other domains, old Chinese, dialects, "
            "traditional characters, speech transcripts and other languages were not measured.",
            "- Annotators disagree and corpora have mistakes: some counted errors are right, and the model has learned "
            "some of the mistakes.",
            f"- The encoder reads windows of {tagger['window']} tokens that share {tagger['overlap']}; longer texts "
            "are tagged window by window, and nothing outside a window decides what is in it.",
            f"- {_overlaps(tagger)}",
            "- Not meant for decisions about people, nor as the only means to remove personal data from texts: it "
            "misses entities, as the recall says.",
        )
    )


def _overlaps(tagger: dict[str, Any]) -> str:
    if reads_tags(tagger["head"]):
        return "Entities do not overlap or nest: of two that do, training saw the longer one."
    if tagger.get("flat"):
        return "Entities do not overlap or nest: of those that do, the likeliest is kept."
    return "Entities may overlap: who wants them flat must choose among them."


def _data(tagger: dict[str, Any], corpus: dict[str, Any]) -> str:
    rows = [
        [name, str(split["sentences"]), str(split["entities"]), f"`{split['fingerprint'][:16]}`"]
        for name, split in corpus["splits"].items()
    ]
    trained = tagger["trained"]["corpus"]
    return (
        f"{corpus['description']}. Licence: {trained['licence']}. Fingerprint of the content: "
        f"`{trained['fingerprint']}`.\n\n{_table(['split', 'sentences', 'entities', 'fingerprint'], rows)}"
    )


def _backbone(source: dict[str, Any]) -> str:
    rows = [[key, f"`{source[key]}`"] for key in ("kind", "name", "revision", "sha256", "licence")]
    return _table(["backbone", ""], rows)


def _training(tagger: dict[str, Any], train: dict[str, Any]) -> str:
    trained = tagger["trained"]
    rows = [[f"`{key}`", f"`{value}`"] for key, value in flat(trained["params"])]
    return (
        f"Epoch {train['best_epoch']} of {len(train['epochs'])} is kept. Fingerprint of the training: "
        f"`{trained['fingerprint']}`.\n\n{_table(['param', 'value'], rows)}"
    )


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested values by dotted name, in their order."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _rates(line: dict[str, Any]) -> list[str]:
    return [_percent(line[name]) for name in ("precision", "recall", "f1")]


def _interval(line: dict[str, Any]) -> str:
    return " – ".join(_percent(value) for value in line["f1_ci95"])


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def _table(header: list[str], rows: Iterable[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
