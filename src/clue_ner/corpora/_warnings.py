"""Warnings about a corpus whose scores would be unreliable."""

from collections.abc import Iterator

from clue_ner.core.entities import types_of
from clue_ner.corpora._corpus import Corpus
from clue_ner.corpora._offsets import suspicion
from clue_ner.layouts import described

LABELLED = ("train", "valid", "test")
_MISSING = {
    "train": "none can be learned",
    "valid": "they have no part in the choice of the epoch",
    "test": "they are not scored",
}
"""The consequence if a split lacks types."""
_EMPTY = {
    "valid": "it chooses no epoch, and the last one is kept; label its sentences, or remove it and let "
    "corpus.valid_fraction take some of train",
    "test": "scores on it mean nothing; label its sentences",
}
"""The consequence if a split has no entity."""


def warnings_of(corpus: Corpus) -> list[str]:
    """The warnings: texts in two splits, splits without entities, types missing in a split, unusual offsets."""
    return [*_leaks(corpus), *_empty(corpus), *_missing(corpus), *_offsets(corpus)]


def leaks_of(corpus: Corpus) -> dict[str, int]:
    """For valid and test, the number of sentences whose text also occurs in an earlier labelled split."""
    leaks: dict[str, int] = {}
    earlier = {sentence.text for sentence in corpus.splits["train"]}
    for name in ("valid", "test"):
        if name in corpus.splits:
            texts = [sentence.text for sentence in corpus.splits[name]]
            leaks[name] = sum(text in earlier for text in texts)
            earlier.update(texts)
    return leaks


def _leaks(corpus: Corpus) -> Iterator[str]:
    for name, shared in leaks_of(corpus).items():
        if shared:
            total = len(corpus.splits[name])
            others = "train" if name == "valid" or "valid" not in corpus.splits else "train or valid"
            yield (
                f"{name}: {shared} of {total} sentences ({shared / total:.1%}) are in {others} too, so scores on it "
                f"are too high; remove them from one of the two"
            )


def _empty(corpus: Corpus) -> Iterator[str]:
    for name, meaning in _EMPTY.items():
        if name in corpus.splits and not types_of(corpus.splits[name]):
            yield f"{name}: none of its {len(corpus.splits[name])} sentences has an entity: {meaning}"


def _missing(corpus: Corpus) -> Iterator[str]:
    types = {name: types_of(corpus.splits[name]) for name in LABELLED if name in corpus.splits}
    everywhere = sorted(set().union(*types.values()))
    for name, there in types.items():
        if there and (missing := [type_ for type_ in everywhere if type_ not in there]):
            yield f"{name}: it has no entity of type {', '.join(missing)}: {_MISSING[name]}"


def _offsets(corpus: Corpus) -> Iterator[str]:
    labelled = [sentence for name in LABELLED for sentence in corpus.splits.get(name, ())]
    if (found := suspicion(labelled)) is not None:
        yield (
            f"offsets: they seem to be counted differently ({described(found.way)}): then {found.beside} of "
            f"{found.edges} starts and ends are beside a punctuation mark or an end of the text, and now {found.now}; "
            f"check some entities, and set corpus.options if they are wrong"
        )
