"""``python -m bench.words``: how far characters and pieces can differ with a Chinese BERT's vocabulary.

It counts on the corpus in data/. Such a tokenizer makes every Chinese character a word of its own before it looks
anything up, and cuts the other words (digits, Latin) into pieces. So its pieces are at least as many as the words, and
an entity whose edge lies inside a word is the most that pieces can lose. No vocabulary is needed to count these.
"""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from clue_ner.core.entities import Sentence
from clue_ner.core.sentences import read_split


def count(sentences: list[Sentence]) -> dict[str, int]:
    """Characters, words, characters in words of several, entities, and those with an edge inside a word."""
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    totals = dict.fromkeys(("characters", "words", "in long words", "entities", "cut"), 0)
    for sentence in sentences:
        words = tokenizer.encode(sentence.text).offsets
        inside = {place for start, end in words for place in range(start + 1, end)}
        totals["characters"] += len(sentence.text)
        totals["words"] += len(words)
        totals["in long words"] += sum(end - start for start, end in words if end - start > 1)
        totals["entities"] += len(sentence.entities)
        totals["cut"] += sum(not inside.isdisjoint((entity.start, entity.end)) for entity in sentence.entities)
    return totals


def main() -> None:
    """Print a line for each labelled split."""
    table = Table(title="A Chinese BERT's words")
    for column in ("split", "characters", "words", "in longer words", "entities", "edge inside a word"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for split in ("train", "valid", "test"):
        if (sentences := read_split(Path(), split)) is None:
            continue
        found = count(sentences)
        share, lost = found["in long words"] / found["characters"], found["cut"] / found["entities"]
        table.add_row(
            split,
            f"{found['characters']:,}",
            f"{found['words']:,}",
            f"{100 * share:.1f} %",
            f"{found['entities']:,}",
            f"{found['cut']} ({100 * lost:.2f} %)",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
