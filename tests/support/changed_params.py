"""The project's params.yaml, with a few values changed."""

from pathlib import Path
from typing import Any

import yaml

from clue_ner.core.params import load_params
from support.places import ROOT

PARAMS = ROOT / "params.yaml"


def write_params(root: Path, **sections: dict[str, Any]) -> None:
    """Write params.yaml into ``root`` with the values in ``sections`` in place of the project's own."""
    values = load_params(PARAMS).model_dump()
    for section, changes in sections.items():
        values[section] |= changes
    (root / "params.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
