"""Taking validation sentences out of train."""

import hashlib
from collections import defaultdict

from clue_ner.common.errors import CorpusError
from clue_ner.core.entities import Sentence


def split_valid(train: list[Sentence], fraction: float, seed: int) -> tuple[list[Sentence], list[Sentence]]:
    """What stays in train and what becomes valid: whole sentences, each part in the order it had.

    About ``fraction`` of the sentences, one at the least, go to valid. Identical texts stay together. Texts are drawn
    in the order of SHA-256(seed, text), so the draw is the same on every machine and in every file order.

    >>> stay, go = split_valid([Sentence(str(i), f"第{i}句") for i in range(10)], 0.2, 0)
    >>> len(stay), len(go)
    (8, 2)
    """
    positions = defaultdict(list)
    for position, sentence in enumerate(train):
        positions[sentence.text].append(position)
    wanted = max(1, round(fraction * len(train)))
    taken: set[int] = set()
    for text in sorted(positions, key=lambda text: hashlib.sha256(f"{seed}\0{text}".encode()).digest()):
        if len(taken) >= wanted:
            break
        taken.update(positions[text])
    if len(taken) == len(train):
        raise CorpusError(
            f"train has {len(train)} sentences with {len(positions)} different texts: too few to take valid from; "
            "give the corpus a valid split of its own, or set corpus.valid_fraction: 0"
        )
    stay = [sentence for position, sentence in enumerate(train) if position not in taken]
    return stay, [train[position] for position in sorted(taken)]
