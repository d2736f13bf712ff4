"""Summaries of a corpus: its description (corpus.json beside its splits) and its counts (metrics/corpus.json)."""

from collections import Counter
from typing import Any

from clue_ner.core.entities import Sentence, fingerprint, fingerprint_of_all, overlapping_pairs, types_of
from clue_ner.corpora._corpus import Corpus
from clue_ner.corpora._warnings import leaks_of, warnings_of


def describe(corpus: Corpus, *splits: str) -> dict[str, Any]:
    """Name, licence, types, and the size and fingerprint of each of ``splits`` that the corpus has."""
    chosen = {name: corpus.splits[name] for name in splits if name in corpus.splits}
    described = {
        name: {
            "sentences": len(sentences),
            "entities": sum(len(sentence.entities) for sentence in sentences),
            "overlapping_pairs": sum(len(overlapping_pairs(sentence.entities)) for sentence in sentences),
            "fingerprint": fingerprint(sentences),
        }
        for name, sentences in chosen.items()
    }
    return {
        "name": corpus.name,
        "licence": corpus.licence,
        "description": corpus.description,
        "types": types_of(sentence for sentences in chosen.values() for sentence in sentences),
        "splits": described,
        "fingerprint": fingerprint_of_all({name: str(split["fingerprint"]) for name, split in described.items()}),
    }


def measure(corpus: Corpus) -> dict[str, Any]:
    """Counts of each split, sentences that valid and test share with earlier splits, and warnings.

    ``leaks``: the number of sentences of valid and test whose text also occurs in an earlier labelled split.
    ``reading``, only of own corpora: counts of what was left out or changed.
    """
    return {
        "splits": {name: _counts(sentences) for name, sentences in corpus.splits.items()},
        **({"reading": corpus.reading} if corpus.reading else {}),
        "leaks": leaks_of(corpus),
        "warnings": warnings_of(corpus),
    }


def _counts(sentences: list[Sentence]) -> dict[str, Any]:
    per_type = Counter(entity.type for sentence in sentences for entity in sentence.entities)
    return {
        "sentences": len(sentences),
        "entities": per_type.total(),
        "characters": sum(len(sentence.text) for sentence in sentences),
        "longest": max((len(sentence.text) for sentence in sentences), default=0),
        "without_entities": sum(not sentence.entities for sentence in sentences),
        "overlapping_pairs": sum(len(overlapping_pairs(sentence.entities)) for sentence in sentences),
        "per_type": dict(sorted(per_type.items())),
    }
