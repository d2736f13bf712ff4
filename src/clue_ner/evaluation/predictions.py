"""What a tagger predicted for a split, as files; they hold the corpus's texts and so stay out of git."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clue_ner.common.errors import CorpusError
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.files import atomic_folder, to_record, write_json, write_text
from clue_ner.core.schemes import SCHEMES

_log = logging.getLogger(__name__)


def split_to_score(folder: Path) -> str:
    """``test``, or ``valid`` if a corpus has no test split; raises CorpusError if it has neither."""
    if (folder / "test.jsonl").exists():
        return "test"
    if not (folder / "valid.jsonl").exists():
        raise CorpusError(f"{folder}: neither test nor valid; add test.jsonl, or set corpus.valid_fraction above 0")
    _log.warning("the corpus has no test split: the scores are on valid, which also chose the epoch")
    return "valid"


def character_tags(gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]) -> list[list[str]]:
    """BIO tags of each character of the predicted entities, which must not overlap."""
    bio = SCHEMES["BIO"]
    return [
        bio.encode([(e.start, e.end, e.type) for e in entities], len(sentence.text))
        for sentence, entities in zip(gold, predicted)
    ]


def write(
    target: Path, split: str, gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]], errors: dict[str, Any]
) -> None:
    """Write ``<split>.jsonl``, a sentence a line with ``entities`` and ``predicted``, and ``errors.json``."""
    lines = []
    for sentence, entities in zip(gold, predicted):
        found = [{"type": e.type, "start": e.start, "end": e.end, "score": round(e.score or 0, 4)} for e in entities]
        lines.append(json.dumps({**to_record(sentence), "predicted": found}, ensure_ascii=False) + "\n")
    with atomic_folder(target) as folder:
        write_text(folder / f"{split}.jsonl", "".join(lines))
        write_json(folder / "errors.json", errors)
