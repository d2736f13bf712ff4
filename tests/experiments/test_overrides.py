"""The line that makes one training's params out of another's, held against what DVC makes of it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.hydra import apply_overrides

from clue_ner.core.params import dotted
from clue_ner.core.yaml import read_yaml
from clue_ner.experiments.overrides import overrides


@pytest.mark.parametrize(
    ("before", "value"),
    [
        (2e-4, 4.123456789e-05),
        (True, False),
        (None, "models:/clue-ner@champion"),
        ("crf", None),
        (None, "./a folder/with, commas='and' quotes\\"),
        ("x", "null"),
        ("x", "True"),
        ("x", 'a\\b\\\\c \\"d" \\\\'),
        ("x", "12"),
        ("x", ""),
        ("x", "中文"),
        ([1], [1, 2.5]),
        ({}, {"address": 2.0, "scene": 0.5}),
        ({"address": 1.5, "name": 1.0}, {"address": 2.0}),
        ({"address": 1.5}, {}),
    ],
)
def test_overrides_are_what_dvc_reads(tmp_path: Path, before: Any, value: Any) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({"seed": 1, "train": {"value": before, "other": 3}}, allow_unicode=True))
    changes = overrides("train.value", value, before)
    if changes:
        apply_overrides(path, changes)
    assert dotted(read_yaml(path.read_bytes(), "here")) == {"seed": 1, "train.value": value, "train.other": 3}
