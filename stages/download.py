"""Get the corpus that params.yaml names, check it, and write it as the other stages read it.

In: params.yaml (corpus), and what the corpus module reads. Out: data/corpus/, metrics/corpus.json.
"""

from pathlib import Path

from clue_ner.common.stage import run
from clue_ner.core.files import atomic_folder, write_checksums, write_json, write_sentences
from clue_ner.core.params import load_params
from clue_ner.corpora import describe, load_corpus, measure


def main(root: Path) -> None:
    """The stage, in the pipeline at ``root``."""
    corpus = load_corpus(load_params(root / "params.yaml").corpus)
    with atomic_folder(root / "data" / "corpus") as folder:
        for split, sentences in corpus.splits.items():
            write_sentences(folder / f"{split}.jsonl", sentences)
        write_json(folder / "corpus.json", describe(corpus))
        write_checksums(folder)
    write_json(root / "metrics" / "corpus.json", measure(corpus))


if __name__ == "__main__":
    run(main)
