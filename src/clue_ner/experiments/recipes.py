"""Named sets of params; each is a ``dvc exp run`` command that changes the committed params.yaml."""

from typing import Any, NamedTuple

from clue_ner.common.errors import UnknownNameError
from clue_ner.experiments.overrides import command_line, overrides


class Recipe(NamedTuple):
    """Changed values of params.yaml by dotted name, and a description."""

    about: str
    params: dict[str, Any]

    @property
    def line(self) -> str:
        """The shell command that runs it."""
        return command_line(change for name, value in self.params.items() for change in overrides(name, value))


_PLAIN = {"train.r_drop": 0.0, "train.ema_decay": 0.0}
RECIPES = {
    "committed": Recipe("params.yaml unchanged: global pointer, R-Drop, averaged weights", {}),
    "quick": Recipe(
        "3 passes over the data instead of 8: 0.6 points of micro F1 less, in under half the time",
        {"train.epochs": 3, **_PLAIN},
    ),
    "longer": Recipe("6 epochs instead of 4: the best F1 so far (one seed), 50 % more time", {"train.epochs": 6}),
    "sample": Recipe(
        "the embedded sample corpus, as in make demo: about two minutes",
        {
            "corpus.name": "sample",
            "train.epochs": 5,
            "train.batch_size": 12,
            "train.lr": 5e-4,
            "train.r_drop": 0.0,
            "train.ema_decay": 0.9,
            "train.dropout": 0.2,
            "train.freeze_layers": 6,
        },
    ),
    "stock": Recipe(
        "softmax on word pieces: stock transformers can load the export with pipeline('ner')",
        {"train.head": "softmax", "tagging.align": "pieces", "train.epochs": 3, **_PLAIN},
    ),
    "crf": Recipe(
        "sequence labelling with BIOES tags and a CRF",
        {"train.head": "crf", "tagging.scheme": "BIOES", "train.epochs": 3, **_PLAIN},
    ),
    "nested": Recipe("also keeps nested entities", {"train.flat": False}),
    "small": Recipe("6 of the encoder's 12 layers: faster to train and to tag with", {"train.layers": 6}),
    "own-corpus": Recipe(
        "your own sentences, from the folder my-corpus: docs/data.md",
        {"corpus.name": "jsonl", "corpus.path": "my-corpus"},
    ),
    "bert-on-gpu": Recipe(
        "bert-base-chinese from the hub, on a GPU; its F1 is not measured here",
        {
            "backbone.name": "google-bert/bert-base-chinese",
            "tagging.align": "characters",
            "train.lr": 4e-5,
            "train.freeze_embeddings": False,
        },
    ),
}


def recipe(name: str) -> Recipe:
    """The recipe ``name``; raises UnknownNameError that lists the existing ones."""
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    return RECIPES[name]
