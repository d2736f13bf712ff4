"""What a tagger predicted for a split, as files; they hold the corpus's texts and so stay out of git."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clue_ner.common.errors import CorpusError
from clue_ner.common.files import atomic_folder, checked, read_json, write_json, write_text
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.schemes import SCHEMES
from clue_ner.core.sentences import SPLITS, read_split, to_record

_log = logging.getLogger(__name__)


def to_score(root: Path) -> tuple[str, list[Sentence], dict[str, Any]]:
    """The split to score in the pipeline at ``root``, its sentences, and the ``corpus.json`` that describes it.

    That is ``test``, or ``valid`` if a corpus has no test split; raises CorpusError if it has neither.
    """
    for split in ("test", "valid"):
        if (gold := read_split(root, split)) is not None:
            if split == "valid":
                _log.warning("the corpus has no test split: the scores are on valid, which also chose the epoch")
            folder = checked(root / SPLITS[split], "corpus.json")
            return split, gold, read_json(folder / "corpus.json")
    raise CorpusError("data/: neither test nor valid; add test.jsonl, or set corpus.valid_fraction above 0")


def character_tags(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]) -> list[list[str]]:
    """BIO tags of each character of the predicted entities, which must not overlap."""
    bio = SCHEMES["BIO"]
    return [
        bio.encode([(e.start, e.end, e.type) for e in entities], len(sentence.text))
        for sentence, entities in zip(gold, predicted)
    ]


def write(
    target: Path,
    split: str,
    gold: Sequence[Sentence],
    predicted: Sequence[Sequence[Entity]],
    errors: dict[str, Any],
    lost: list[dict[str, Any]],
) -> None:
    """Write ``<split>.jsonl``, a sentence a line with ``entities`` and ``predicted``, and the lists beside it.

    ``errors`` go to errors.json; ``lost``, the gold entities that the alignment cannot express, to lost.json.
    """
    lines = []
    for sentence, entities in zip(gold, predicted):
        found = [{"type": e.type, "start": e.start, "end": e.end, "score": round(e.score or 0, 4)} for e in entities]
        lines.append(json.dumps({**to_record(sentence), "predicted": found}, ensure_ascii=False) + "\n")
    with atomic_folder(target) as folder:
        write_text(folder / f"{split}.jsonl", "".join(lines))
        write_json(folder / "errors.json", errors)
        write_json(folder / "lost.json", lost)
