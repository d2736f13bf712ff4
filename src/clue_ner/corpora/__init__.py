"""Corpora: one module per corpus with known content (``load(params) -> Corpus``), and own corpora in any layout."""

from dataclasses import replace

from clue_ner.core import plugins
from clue_ner.core.params import CorpusParams
from clue_ner.corpora import _own
from clue_ner.corpora._corpus import SPLITS, Corpus
from clue_ner.corpora._hub import readings as hub_readings
from clue_ner.corpora._split import split_off
from clue_ner.corpora._summary import describe, measure

__all__ = ["SPLITS", "Corpus", "describe", "hub_readings", "load_corpus", "measure"]


def load_corpus(params: CorpusParams) -> Corpus:
    """The checked corpus that ``params`` names; missing valid and test splits are taken from its train split.

    Raises UnknownNameError, SourceError (it could not be obtained) or CorpusError (its content is wrong).
    """
    corpus: Corpus = (_own if params.is_own else plugins.load("clue_ner.corpora", params.name, "corpus")).load(params)
    splits = corpus.splits
    fractions = {"valid": params.valid_fraction, "test": params.test_fraction}
    if wanted := {name: fraction for name, fraction in fractions.items() if fraction > 0 and name not in splits}:
        splits = {**splits, **split_off(splits["train"], wanted, params.split_seed)}
    return replace(corpus, splits={name: splits[name] for name in SPLITS if name in splits})
