"""What a model card is made of: the records of a training on a made-up corpus, all its splits described."""

from typing import Any

from clue_ner.tagger.config import CorpusRecord, TrainingRecord
from support.configs import tagger_config

RATES = {"precision": 0.75, "recall": 0.6, "f1": 0.6667, "f1_ci95": [0.6, 0.7]}
SCORES: dict[str, Any] = {
    "split": "test",
    "micro": {**RATES, "per_type": {"name": {**RATES, "support": 7}, "a|b": {**RATES, "support": 3}}},
    "lenient": {**RATES, "f1": 0.7, "per_type": {}},
    "official": {"macro_f1": 0.71, "f1_ci95": [0.65, 0.76], "per_type": {}},
    "sentences": 12,
    "entities": 10,
    "warnings": {"count": 0, "texts": []},
}
TAGGER = tagger_config(
    ["a|b", "name"],
    head="softmax",
    align="characters",
    window=128,
    overlap=32,
    trained=TrainingRecord(
        fingerprint="f" * 64,
        corpus=CorpusRecord(name="sample", fingerprint="c" * 64, licence="MIT, as the project"),
        backbone={"kind": "hub", "name": "org/bert", "revision": "abc", "sha256": "d" * 64, "licence": "mit"},
        params={
            "seed": 3,
            "backbone": {"name": "org/bert"},
            "tagging": {"scheme": "BIO"},
            "train": {"head": "softmax", "lr": 2e-4, "class_weights": {"a|b": 2}},
        },
    ),
)
CORPUS: dict[str, Any] = {
    "name": "sample",
    "licence": "MIT, as the project",
    "description": "Sentences to try the pipeline on",
    "types": ["a|b", "name"],
    "fingerprint": "c" * 64,
    "fingerprint_all": "b" * 64,
    "splits": {
        "train": {"sentences": 80, "entities": 99, "fingerprint": "e" * 64},
        "valid": {"sentences": 20, "entities": 21, "fingerprint": "a" * 64},
        "test": {"sentences": 12, "entities": 10, "fingerprint": "9" * 64},
    },
}
TRAIN: dict[str, Any] = {"epochs": [{}, {}, {}], "best_epoch": 2, "valid_micro_f1": 0.625}
