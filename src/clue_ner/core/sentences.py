"""Sentences as JSON lines, and the location of each split in data/."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import ADVICE, atomic_file, checked, read_json
from clue_ner.core.entities import Entity, Sentence, fingerprint_of_all

SPLITS = {"train": "data/corpus", "valid": "data/corpus", "test": "data/test", "unlabelled": "data/test"}
"""The folder of each split. fine_tune does not depend on data/test, so correcting a test label reruns no training."""


def write_sentences(path: Path, sentences: Iterable[Sentence]) -> None:
    """Write sentences as JSON lines: ``{"id", "text", "entities": [{"type", "start", "end"}]}``."""
    with atomic_file(path) as place, place.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(json.dumps(to_record(sentence), ensure_ascii=False) + "\n" for sentence in sentences)


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
    """The sentence of a record made by ``to_record``."""
    entities = (Entity(e["start"], e["end"], e["type"]) for e in record["entities"])
    return Sentence(record["id"], record["text"], tuple(sorted(entities)))


def read_split(root: Path, split: str) -> list[Sentence] | None:
    """A split of the pipeline at ``root``, after comparing its checksum; None if the corpus does not have it."""
    folder = root / SPLITS[split]
    path = folder / f"{split}.jsonl"
    return read_sentences(checked(folder, path.name) / path.name) if path.exists() else None


def describe_corpus(root: Path) -> dict[str, Any]:
    """The description of the whole corpus in data/: ``corpus.json`` of train and valid, plus the splits of data/test.

    ``fingerprint`` covers train and valid, ``fingerprint_all`` every labelled split.
    """
    folders = dict.fromkeys(SPLITS.values())
    learned, tested = (read_json(checked(root / folder, "corpus.json") / "corpus.json") for folder in folders)
    splits = {**learned["splits"], **tested["splits"]}
    fingerprints = {name: split["fingerprint"] for name, split in splits.items()}
    return {**learned, "splits": splits, "fingerprint_all": fingerprint_of_all(fingerprints)}
