"""A tagger's configuration for tests, with what they do not care about filled in."""

from collections.abc import Sequence
from typing import Any

from clue_ner.core.schemes import SCHEMES
from clue_ner.tagger.config import CorpusRecord, TaggerConfig, TrainingRecord

TRAINED = TrainingRecord(
    fingerprint="0" * 64,
    corpus=CorpusRecord(name="tiny", fingerprint="1" * 64, licence="MIT"),
    backbone={"kind": "folder", "name": "tiny"},
    params={"seed": 0, "backbone": {"name": "tiny"}, "tagging": {"scheme": "BIO"}, "train": {"head": "crf"}},
    valid_micro_f1=0.5,
)


def tagger_config(types: Sequence[str], scheme: str = "BIO", **values: Any) -> TaggerConfig:
    """The configuration for these types; ``values`` are fields of TaggerConfig."""
    known: dict[str, Any] = {
        "head": "crf",
        "align": "characters_over_pieces",
        "scheme": scheme,
        "types": tuple(sorted(types)),
        "tags": tuple(SCHEMES[scheme].tags(types)),
        "window": 256,
        "overlap": 64,
        "context_size": 0,
        "trained": TRAINED,
    }
    return TaggerConfig(**(known | values))
