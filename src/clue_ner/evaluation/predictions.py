"""The predictions for a split as files; they contain the corpus's texts, so they are not in git."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clue_ner.common.files import atomic_folder, checked, read_json, write_json, write_text
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.schemes import SCHEMES
from clue_ner.core.sentences import SPLITS, read_split, to_record


def to_score(root: Path) -> tuple[str | None, list[Sentence], str | None]:
    """The split to score in the pipeline at ``root``, its sentences and its fingerprint.

    It is ``test``, or ``valid`` if the corpus has no test split; if it has neither: None, no sentences, None.
    """
    for split in ("test", "valid"):
        if (gold := read_split(root, split)) is not None:
            described = read_json(checked(root / SPLITS[split], "corpus.json") / "corpus.json")
            return split, gold, described["splits"][split]["fingerprint"]
    return None, [], None


def warnings_of(split: str | None, scores: dict[str, Any]) -> list[str]:
    """Warnings about the scores of ``split``."""
    if split is None:
        return ["not scored: the corpus has neither test nor valid; add test.jsonl to know how good the model is"]
    found = []
    if split == "valid":
        found.append("the scores are on valid, which also chose the epoch, so they are too high; add a test split")
    if not scores["micro"]["f1"] and scores["entities"]:
        found.append(f"the model finds none of the {scores['entities']} entities of {split}: it has learned nothing")
    return found


def character_tags(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]) -> list[list[str]]:
    """BIO tags of each character of the predicted entities, which must not overlap."""
    bio = SCHEMES["BIO"]
    return [
        bio.encode([(e.start, e.end, e.type) for e in entities], len(sentence.text))
        for sentence, entities in zip(gold, predicted)
    ]


def write(
    target: Path,
    split: str | None,
    gold: Sequence[Sentence],
    predicted: Sequence[Sequence[Entity]],
    errors: dict[str, Any],
    lost: list[dict[str, Any]],
) -> None:
    """Write ``<split>.jsonl`` (one sentence per line with ``entities`` and ``predicted``), errors.json and lost.json.

    If ``split`` is None, nothing is scored, and the first file is not written. ``lost`` are the gold entities that the
    alignment cannot represent.
    """
    lines = []
    for sentence, entities in zip(gold, predicted):
        found = [{"type": e.type, "start": e.start, "end": e.end, "score": round(e.score or 0, 4)} for e in entities]
        lines.append(json.dumps({**to_record(sentence), "predicted": found}, ensure_ascii=False) + "\n")
    with atomic_folder(target) as folder:
        if split is not None:
            write_text(folder / f"{split}.jsonl", "".join(lines))
        write_json(folder / "errors.json", errors)
        write_json(folder / "lost.json", lost)
