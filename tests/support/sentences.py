"""Sentences whose entities are marked in the text, for tests."""

import re

from clue_ner.core.entities import Entity, Sentence

_MARKED = re.compile(r"\{(.+?)\|(\w+)\}", re.DOTALL)


def marked(text: str, sentence_id: str = "1") -> Sentence:
    """The sentence of a text such as ``"{李雷|name}在{上海|address}"``."""
    plain, entities, at = "", [], 0
    for found in _MARKED.finditer(text):
        plain += text[at : found.start()]
        entities.append(Entity(len(plain), len(plain) + len(found[1]), found[2]))
        plain += found[1]
        at = found.end()
    return Sentence(sentence_id, plain + text[at:], tuple(entities))


def marked_all(*texts: str) -> list[Sentence]:
    """A sentence for each text; ids are numbers from 1."""
    return [marked(text, str(number)) for number, text in enumerate(texts, 1)]
