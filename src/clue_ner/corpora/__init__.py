"""One corpus a module: each has ``load(params) -> Corpus``; adding one is adding a file."""

from dataclasses import replace

from clue_ner.core import plugins
from clue_ner.core.params import CorpusParams
from clue_ner.corpora._corpus import SPLITS, Corpus
from clue_ner.corpora._split import split_valid
from clue_ner.corpora._summary import describe, measure

__all__ = ["SPLITS", "Corpus", "describe", "load_corpus", "measure"]


def load_corpus(params: CorpusParams) -> Corpus:
    """The corpus that ``params`` names, checked; one without ``valid`` gives up that share of its train.

    Raises UnknownNameError, SourceError (it could not be had) or CorpusError (it is not as documented).
    """
    corpus: Corpus = plugins.load("clue_ner.corpora", params.name, "corpus").load(params)
    splits = corpus.splits
    if "valid" not in splits and params.valid_fraction > 0:
        train, valid = split_valid(splits["train"], params.valid_fraction, params.split_seed)
        splits = {**splits, "train": train, "valid": valid}
    return replace(corpus, splits={name: splits[name] for name in SPLITS if name in splits})
