"""The sample corpus of the project: sentences written for it, with the ten types of CLUENER.

Each line of ``sample_data/train.txt`` and ``test.txt`` is a sentence with marked entities, ``[SURFACE|type]``.
"""

import re
from importlib import resources

from clue_ner.common.errors import CorpusError
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.params import CorpusParams
from clue_ner.corpora._corpus import Corpus

_MARK = re.compile(r"\[([^\[\]|]+)\|([a-z]+)\]")


def load(params: CorpusParams) -> Corpus:
    """Train and test in the order of the files."""
    folder = resources.files("clue_ner.corpora") / "sample_data"
    splits = {}
    for split in ("train", "test"):
        lines = (folder / f"{split}.txt").read_text(encoding="utf-8").splitlines()
        splits[split] = [parse(line, f"{split}-{number}") for number, line in enumerate(lines)]
    return Corpus(
        name=params.name,
        splits=splits,
        licence="MIT, as the project",
        description="Sentences written for clue-ner in the manner of CLUENER's ten types, to try the pipeline on",
    )


def parse(line: str, sentence_id: str) -> Sentence:
    """The sentence of a line with marks.

    >>> sentence = parse("[李安|name]来到[上海|address]。", "1")
    >>> sentence.text, [(entity.type, entity.start, entity.end) for entity in sentence.entities]
    ('李安来到上海。', [('name', 0, 2), ('address', 4, 6)])
    """
    text, entities, position = "", [], 0
    for mark in _MARK.finditer(line):
        text += line[position : mark.start()]
        entities.append(Entity(len(text), len(text) + len(mark[1]), mark[2]))
        text += mark[1]
        position = mark.end()
    text += line[position:]
    if not text or set(text) & set("[]|"):
        raise CorpusError(f"sample {sentence_id}: found {line!r}, wanted text with marks [SURFACE|type], not nested")
    return Sentence(sentence_id, text, tuple(entities))
