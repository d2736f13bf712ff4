"""The project's code and dvc.yaml in a pipeline's root of a test."""

from pathlib import Path

from support.places import ROOT


def link_code(root: Path) -> None:
    """Give ``root`` what a training's fingerprint is made from: dvc.yaml, src/ and stages/."""
    for name in ("dvc.yaml", "src", "stages"):
        (root / name).symlink_to(ROOT / name)
