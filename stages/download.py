"""Stage download: the corpus that params.yaml names -> data/corpus/, data/test/, metrics/corpus.json."""

from pathlib import Path

from clue_ner.common.files import atomic_folder, write_checksums, write_json
from clue_ner.common.stage import run
from clue_ner.common.warnings import warned
from clue_ner.core.params import load_params
from clue_ner.core.sentences import SPLITS, write_sentences
from clue_ner.corpora import describe, load_corpus, measure


def main(root: Path) -> None:
    """Download and check the corpus; train and valid are written to one folder, test to another."""
    corpus = load_corpus(load_params(root / "params.yaml").corpus)
    for place in dict.fromkeys(SPLITS.values()):
        splits = [split for split in SPLITS if SPLITS[split] == place]
        with atomic_folder(root / place) as folder:
            for split in splits:
                if split in corpus.splits:
                    write_sentences(folder / f"{split}.jsonl", corpus.splits[split])
            write_json(folder / "corpus.json", describe(corpus, *splits))
            write_checksums(folder)
    measured = measure(corpus)
    warned(measured["warnings"])
    write_json(root / "metrics/corpus.json", measured)


if __name__ == "__main__":
    run(main)
