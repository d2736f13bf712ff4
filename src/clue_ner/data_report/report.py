"""The report on a corpus before training: counts, lengths, labels, characters, losses, and warnings."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from clue_ner.core.entities import Sentence
from clue_ner.corpora import Corpus, measure
from clue_ner.data_report.characters import odd_characters
from clue_ner.data_report.hashes import hashes
from clue_ner.data_report.labels import nearly_leaked, same_text, several_types, unlabelled_occurrences, unseen
from clue_ner.data_report.lengths import span_lengths, summary
from clue_ner.data_report.losses import Alignments, alignment_losses, overlaps, scheme_losses
from clue_ner.data_report.spans import count_half_pairs, count_odd_edges

FEW = {"train": 50, "valid": 10, "test": 10}
"""Types with fewer entities get a warning: they are hardly learned, or their scores are due to chance."""
FEW_SENTENCES = 100
"""Splits for scoring with fewer sentences get a warning."""
MANY = 0.01
"""A problem that affects more than this share of the entities gets a warning."""
BROKEN = ("nul", "control", "replacement", "lone_surrogate", "unassigned", "private_use")
"""Kinds of unusual characters that hardly occur in intact text."""


def report(corpus: Corpus, alignments: Alignments | str, examples: int) -> dict[str, Any]:
    """The whole report as plain JSON values; lists of examples (which contain text) have at most ``examples`` items.

    - ``corpus``: must have ``train``; its unlabelled split only gets lengths and characters
    - ``alignments``: those of a tokenizer, or the reason why there is none

    Keys: ``name``, ``reading`` (what was left out), ``splits`` {split: counts and findings}, ``leaks`` and
    ``near_leaks`` {split: sentences}, ``same_text``, ``alignment``, ``schemes`` {scheme: entities lost}, ``warnings``.
    """
    measured = measure(corpus)
    labelled = {name: sentences for name, sentences in corpus.splits.items() if name != "unlabelled"}
    splits = {
        name: {**measured["splits"][name], **_texts(sentences, examples)} for name, sentences in corpus.splits.items()
    }
    for name, sentences in labelled.items():
        splits[name] |= _labels(sentences, examples)
        if name != "train":
            splits[name]["unseen"] = unseen(labelled["train"], sentences)
    everything = chain.from_iterable(labelled.values())
    alignment, losses = _alignment(labelled, alignments, examples)
    found = {
        "name": corpus.name,
        "reading": corpus.reading,
        "splits": splits,
        "leaks": measured["leaks"],
        "near_leaks": nearly_leaked(labelled),
        "same_text": same_text(labelled, examples),
        "alignment": alignment,
        "schemes": scheme_losses(everything),
    }
    return {**found, "warnings": [*measured["warnings"], *_warnings(found), *losses]}


def _texts(sentences: Sequence[Sentence], examples: int) -> dict[str, Any]:
    """The findings that need no labels."""
    return {
        "repeated": len(sentences) - len(np.unique(hashes(sentence.text for sentence in sentences))),
        "text_lengths": summary(len(sentence.text) for sentence in sentences),
        "odd_characters": odd_characters(sentences, examples),
    }


def _labels(sentences: Sequence[Sentence], examples: int) -> dict[str, Any]:
    return {
        "span_lengths": summary(e.end - e.start for sentence in sentences for e in sentence.entities),
        "span_lengths_per_type": span_lengths(sentences),
        "overlaps": overlaps(sentences),
        "several_types": several_types(sentences, examples),
        "unlabelled_occurrences": unlabelled_occurrences(sentences, examples),
        "half_pairs": count_half_pairs(sentences, examples),
        "odd_edges": count_odd_edges(sentences, examples),
    }


def _alignment(
    splits: dict[str, list[Sentence]], alignments: Alignments | str, examples: int
) -> tuple[dict[str, Any], list[str]]:
    """The losses of each alignment on each split, and the warnings for the alignment in use."""
    if isinstance(alignments, str):
        return {"skipped": alignments}, []
    warnings: list[str] = []
    tried: dict[str, Any] = {}
    for align, aligner in alignments.aligners.items():
        tried[align] = {}
        for split, sentences in splits.items():
            tried[align][split], said = alignment_losses(sentences, aligner, split, examples)
            warnings += said if align == alignments.chosen else []
    return {
        "tokenizer": alignments.source,
        "window": alignments.window,
        "in_use": alignments.chosen,
        "alignments": tried,
        "refused": dict(alignments.refused),
    }, warnings


def _warnings(found: dict[str, Any]) -> Iterator[str]:
    """One sentence for each finding that makes a model or its scores worse than necessary."""
    for split, counts in found["splits"].items():
        if split in FEW:
            yield from _few(split, counts)
            yield from _wrong_spans(split, counts)
        yield from _broken(split, counts)
    if others := found["same_text"]["other_labels"]:
        yield f"{others} texts occur in several sentences with different labels; make the labels the same"
    for split, near in found["near_leaks"].items():
        if near:
            yield (
                f"{split}: {near} of {found['splits'][split]['sentences']} sentences differ from one of an earlier "
                "split only in width, case, spaces or punctuation, so scores on it are too high; remove them"
            )


def _few(split: str, counts: dict[str, Any]) -> Iterator[str]:
    few = [f"{type_} ({number})" for type_, number in counts["per_type"].items() if number < FEW[split]]
    meaning = "they are hardly learned" if split == "train" else "their scores are due to chance"
    if few:
        yield f"{split}: fewer than {FEW[split]} entities of {', '.join(few)}: {meaning}; label more of them"
    if split != "train" and counts["sentences"] < FEW_SENTENCES:
        yield f"{split}: only {counts['sentences']} sentences, so scores on it are uncertain; label more"


def _wrong_spans(split: str, counts: dict[str, Any]) -> Iterator[str]:
    total = counts["entities"]
    halves = sum(pair["entities"] for pair in counts["half_pairs"].values())
    for number, what in (
        (counts["several_types"]["entities"], "have a surface that is labelled with another type elsewhere"),
        (halves, "have a bracket or quote without its partner"),
        *((edge["entities"], _EDGES[name]) for name, edge in counts["odd_edges"].items()),
    ):
        if number > MANY * total:
            yield f"{split}: {number} of {total} entities ({number / total:.1%}) {what}; look at the examples"


_EDGES = {
    "space": "begin or end with a space",
    "punctuation": "begin or end with a punctuation mark",
    "inside_word": "begin or end inside a word or number",
}


def _broken(split: str, counts: dict[str, Any]) -> Iterator[str]:
    there = {kind: found for kind, found in counts["odd_characters"].items() if kind in BROKEN}
    for kind, found in there.items():
        which = ", ".join(found["which"])
        yield (
            f"{split}: {found['texts']} texts have {found['characters']} {kind.replace('_', ' ')} characters "
            f"({which}); find out where they come from, and clean the source"
        )
