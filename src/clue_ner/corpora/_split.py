"""Splits validation and test sentences off train."""

import hashlib
from collections.abc import Mapping

import numpy as np

from clue_ner.common.errors import CorpusError
from clue_ner.core.entities import Sentence


def split_off(train: list[Sentence], fractions: Mapping[str, float], seed: int) -> dict[str, list[Sentence]]:
    """The rest of ``train``, and the sentences of each split of ``fractions``, all in their original order.

    Each split gets about its fraction of the sentences, and at least one. Identical texts stay together. Texts are
    drawn in the order of SHA-256(seed, text), one split after the other, so the draw is the same on every machine and
    in every file order.

    >>> parts = split_off([Sentence(str(i), f"第{i}句") for i in range(10)], {"valid": 0.2, "test": 0.1}, 0)
    >>> {name: len(sentences) for name, sentences in parts.items()}
    {'train': 7, 'valid': 2, 'test': 1}
    """
    drawn = np.fromiter((_drawn(sentence.text, seed) for sentence in train), np.uint64)
    order = np.argsort(drawn, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(drawn[order]) != 0, True)) + 1  # where the sentences of each text end
    split_of = np.zeros(len(train), np.uint8)
    done = 0
    for number, fraction in enumerate(fractions.values(), 1):
        first, wanted = done, max(1, round(fraction * len(train)))
        done = int(ends[min(int(np.searchsorted(ends, done + wanted)), len(ends) - 1)])
        split_of[order[first:done]] = number
    sizes = np.bincount(split_of, minlength=len(fractions) + 1)
    if not sizes.all():
        raise CorpusError(
            f"train has {len(train)} sentences with {len(ends)} different texts: too few to take "
            f"{' and '.join(fractions)} from; give the corpus splits of its own, or set "
            + " and ".join(f"corpus.{name}_fraction: 0" for name in fractions)
        )
    return {
        name: [sentence for sentence, its in zip(train, split_of.tolist()) if its == number]
        for number, name in enumerate(("train", *fractions))
    }


def _drawn(text: str, seed: int) -> int:
    """The first 64 bits of SHA-256(seed, text): in their order texts are drawn, and 8 bytes of each are kept."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{text}".encode()).digest()[:8], "big")
