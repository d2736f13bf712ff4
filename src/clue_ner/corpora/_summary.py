"""A corpus in numbers: what it is (data/corpus/corpus.json) and what is in it (metrics/corpus.json)."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

from clue_ner.core.entities import Sentence, fingerprint, overlapping_pairs, types_of
from clue_ner.corpora._corpus import Corpus


def describe(corpus: Corpus) -> dict[str, Any]:
    """Name, licence, types, and the size and fingerprint of each split."""
    splits = {
        name: {
            "sentences": len(sentences),
            "entities": sum(len(sentence.entities) for sentence in sentences),
            "fingerprint": fingerprint(sentences),
        }
        for name, sentences in corpus.splits.items()
    }
    return {
        "name": corpus.name,
        "licence": corpus.licence,
        "description": corpus.description,
        "types": types_of(sentence for sentences in corpus.splits.values() for sentence in sentences),
        "splits": splits,
        "fingerprint": fingerprint_of_all({name: str(split["fingerprint"]) for name, split in splits.items()}),
    }


def fingerprint_of_all(splits: Mapping[str, str]) -> str:
    """SHA-256 over the fingerprints of the labelled splits, in their order.

    An unlabelled split, which not every source of the same corpus has, does not change it.
    """
    labelled = "".join(f"{name} {found}\n" for name, found in splits.items() if name != "unlabelled")
    return hashlib.sha256(labelled.encode()).hexdigest()


def measure(corpus: Corpus) -> dict[str, Any]:
    """Counts of each split, and ``leaks``: sentences of valid and test whose text an earlier labelled split has."""
    leaks, earlier = {}, {sentence.text for sentence in corpus.splits["train"]}
    for name in ("valid", "test"):
        if name in corpus.splits:
            texts = [sentence.text for sentence in corpus.splits[name]]
            leaks[name] = sum(text in earlier for text in texts)
            earlier.update(texts)
    return {"splits": {name: _counts(sentences) for name, sentences in corpus.splits.items()}, "leaks": leaks}


def _counts(sentences: list[Sentence]) -> dict[str, Any]:
    per_type = Counter(entity.type for sentence in sentences for entity in sentence.entities)
    return {
        "sentences": len(sentences),
        "entities": per_type.total(),
        "characters": sum(len(sentence.text) for sentence in sentences),
        "longest": max(len(sentence.text) for sentence in sentences),
        "without_entities": sum(not sentence.entities for sentence in sentences),
        "overlapping_pairs": sum(len(overlapping_pairs(sentence.entities)) for sentence in sentences),
        "per_type": dict(sorted(per_type.items())),
    }
