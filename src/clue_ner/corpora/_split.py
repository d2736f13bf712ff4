"""Splits validation and test sentences off train."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping

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
    positions = defaultdict(list)
    for position, sentence in enumerate(train):
        positions[_drawn(sentence.text, seed)].append(position)
    order = iter(sorted(positions))
    taken: dict[str, set[int]] = {}
    for name, fraction in fractions.items():
        wanted = max(1, round(fraction * len(train)))
        taken[name] = set()
        while len(taken[name]) < wanted and (digest := next(order, None)) is not None:
            taken[name].update(positions[digest])
    gone = set[int]().union(*taken.values())
    if len(gone) == len(train) or not all(taken.values()):
        raise CorpusError(
            f"train has {len(train)} sentences with {len(positions)} different texts: too few to take "
            f"{' and '.join(fractions)} from; give the corpus splits of its own, or set "
            + " and ".join(f"corpus.{name}_fraction: 0" for name in fractions)
        )
    stay = [sentence for position, sentence in enumerate(train) if position not in gone]
    return {"train": stay, **{name: [train[position] for position in sorted(drawn)] for name, drawn in taken.items()}}


def _drawn(text: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{text}".encode()).digest()
