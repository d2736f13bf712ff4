"""Sentences as JSON lines, and which split lies where below data/."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import ADVICE, checked, read_json, write_text
from clue_ner.core.entities import Entity, Sentence, fingerprint_of_all

SPLITS = {"train": "data/corpus", "valid": "data/corpus", "test": "data/test", "unlabelled": "data/test"}
"""The folder of each split. fine_tune does not depend on data/test, so a corrected test label trains nothing anew."""


def write_sentences(path: Path, sentences: Iterable[Sentence]) -> None:
    """Write sentences as JSON lines: ``{"id", "text", "entities": [{"type", "start", "end"}]}``."""
    lines = [json.dumps(to_record(sentence), ensure_ascii=False) + "\n" for sentence in sentences]
    write_text(path, "".join(lines))


def read_sentences(path: Path) -> list[Sentence]:
    """Read what ``write_sentences`` wrote."""
    sentences = []
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                try:
                    sentences.append(from_record(json.loads(line.decode("utf-8"))))
                except (ValueError, KeyError, TypeError, RecursionError) as error:
                    raise ArtifactError(f"{path}:{number}: damaged record ({error!r}); {ADVICE}") from None
    except FileNotFoundError:
        raise ArtifactError(f"{path}: no such file; run the stage that makes it with `dvc repro`") from None
    return sentences


def to_record(sentence: Sentence) -> dict[str, Any]:
    """A sentence as plain JSON values."""
    entities = [{"type": e.type, "start": e.start, "end": e.end} for e in sentence.entities]
    return {"id": sentence.id, "text": sentence.text, "entities": entities}


def from_record(record: dict[str, Any]) -> Sentence:
    """The sentence that ``to_record`` gave the values of."""
    entities = (Entity(e["start"], e["end"], e["type"]) for e in record["entities"])
    return Sentence(record["id"], record["text"], tuple(sorted(entities)))


def read_split(root: Path, split: str) -> list[Sentence] | None:
    """A split of the pipeline at ``root``, its checksum compared; None if the corpus has none."""
    folder = root / SPLITS[split]
    path = folder / f"{split}.jsonl"
    return read_sentences(checked(folder, path.name) / path.name) if path.exists() else None


def describe_corpus(root: Path) -> dict[str, Any]:
    """What data/ says of the whole corpus: ``corpus.json`` of train and valid, with the splits of data/test too.

    ``fingerprint`` is of train and valid, ``fingerprint_all`` of every labelled split.
    """
    folders = dict.fromkeys(SPLITS.values())
    learned, tested = (read_json(checked(root / folder, "corpus.json") / "corpus.json") for folder in folders)
    splits = {**learned["splits"], **tested["splits"]}
    fingerprints = {name: split["fingerprint"] for name, split in splits.items()}
    return {**learned, "splits": splits, "fingerprint_all": fingerprint_of_all(fingerprints)}
