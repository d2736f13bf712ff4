"""Named sets of params to begin with; each is a line of ``dvc exp run`` that changes the committed params.yaml."""

from typing import Any, NamedTuple

from clue_ner.common.errors import UnknownNameError
from clue_ner.experiments.overrides import command_line, overrides


class Recipe(NamedTuple):
    """What is changed in params.yaml, by dotted name, and what for."""

    about: str
    params: dict[str, Any]

    @property
    def line(self) -> str:
        """The line for a shell that runs it."""
        return command_line(change for name, value in self.params.items() for change in overrides(name, value))


_PLAIN = {"train.r_drop": 0.0, "train.ema_decay": 0.0}
RECIPES = {
    "committed": Recipe("what params.yaml says: global pointer, R-Drop, averaged weights", {}),
    "quick": Recipe(
        "3 passes over the data in place of 8: 0.6 points of micro F1 less, in under half the time",
        {"train.epochs": 3, **_PLAIN},
    ),
    "longer": Recipe("6 epochs in place of 4: the best so far by one seed, half as long again", {"train.epochs": 6}),
    "sample": Recipe(
        "the embedded sample corpus, as make demo has it: two minutes, to try things on",
        {"corpus.name": "sample", "train.epochs": 8, "train.r_drop": 0.0},
    ),
    "stock": Recipe(
        "tags on word pieces: stock transformers reads the exported model with pipeline('ner')",
        {"train.head": "softmax", "tagging.align": "pieces", "train.epochs": 3, **_PLAIN},
    ),
    "crf": Recipe(
        "sequence labelling with BIOES tags and a CRF",
        {"train.head": "crf", "tagging.scheme": "BIOES", "train.epochs": 3, **_PLAIN},
    ),
    "nested": Recipe("keeps entities that lie in others", {"train.flat": False}),
    "small": Recipe("6 of the encoder's 12 layers: faster to train and to tag with", {"train.layers": 6}),
    "own-corpus": Recipe(
        "your own sentences, from the folder my-corpus: docs/data.md",
        {"corpus.name": "jsonl", "corpus.path": "my-corpus"},
    ),
    "bert-on-gpu": Recipe(
        "bert-base-chinese from the hub, on a GPU; not measured here",
        {
            "backbone.name": "google-bert/bert-base-chinese",
            "tagging.align": "characters",
            "train.lr": 4e-5,
            "train.freeze_embeddings": False,
        },
    ),
}


def recipe(name: str) -> Recipe:
    """The recipe ``name``; raises UnknownNameError listing those there are."""
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    return RECIPES[name]
