"""Sentences whose entities are marked in the text, for tests."""

from clue_ner.core.entities import Sentence
from clue_ner.corpora.sample import parse


def marked(text: str, sentence_id: str = "1") -> Sentence:
    """The sentence of a text such as ``"{李雷|name}在{上海|address}"``."""
    return parse(text.translate(str.maketrans("{}", "[]")), sentence_id)


def marked_all(*texts: str) -> list[Sentence]:
    """A sentence for each text; ids are numbers from 1."""
    return [marked(text, str(number)) for number, text in enumerate(texts, 1)]
