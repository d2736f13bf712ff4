"""The one model of the test hubs, and the backbone fetched from there."""

from pathlib import Path

from clue_ner.backbones import fetch_backbone
from clue_ner.core.params import BackboneParams

NAME = "org/tiny-bert"


def fetch(target: Path, revision: str | None = None) -> dict[str, str]:
    """Fetch the backbone ``NAME`` to ``target``; where it came from."""
    target.mkdir()
    return fetch_backbone(BackboneParams(name=NAME, revision=revision), target)
