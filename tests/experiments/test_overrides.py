"""Params as ``-S`` takes them, held against what a shell, DVC's grammar and our own reading make of the line."""

import shlex
import tempfile
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.cli_parse import to_path_overrides
from dvc.utils.hydra import apply_overrides, get_hydra_sweeps
from hypothesis import given, settings
from hypothesis import strategies as st

from clue_ner.core.params import dotted
from clue_ner.core.yaml import read_yaml, to_yaml
from clue_ner.experiments.overrides import command_line, overrides


def applied(before: Any, line: str, queue: bool = False) -> Any:
    """What the param ``train.value`` is after a shell and DVC have read ``line``."""
    arguments = shlex.split(line)
    assert arguments[:3] == ["dvc", "exp", "run"] and set(arguments[3::2]) <= {"-S"}
    changes = to_path_overrides(arguments[4::2])
    if queue:
        (changes,) = get_hydra_sweeps(changes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "params.yaml"
        path.write_text(to_yaml({"seed": 1, "train": {"value": before, "other": 3}}), encoding="utf-8")
        assert set(changes) <= {"params.yaml"}
        apply_overrides(path, changes.get("params.yaml", []))
        found = dotted(read_yaml(path.read_bytes(), "here"))
    value = found.pop("train.value")
    assert found == {"seed": 1, "train.other": 3}
    return value


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
        ("x", ".5"),
        ("x", "1e-5"),
        ("x", ""),
        ("x", "="),
        ("x", "~/my-bert"),
        ("x", "中文"),
        ("x", "语料/第 1 版"),
        ("x", "${seed}\\${x}"),
        ([1], [1, 2.5]),
        ([1], ["语料", None, True, "a,b"]),
        ({}, {"address": 2.0, "scene": 0.5}),
        ({"address": 1.5, "name": 1.0}, {"address": 2.0}),
        ({"address": 1.5}, {}),
        ({}, {"人名": 2.0}),
        ({"人名": 2.0, "地名": 1.0}, {"地名": 3.0, "PER.NOM": 1.0, "yes": 1.0, "1": 2.0, "a b": 1.0}),
        ({"人名": 2.0}, {"address": 3.0}),
        ({"人名": 2.0}, {}),
        ({}, {"a:b": 1.0, "'": 2.0, '"': 3.0, "{": 4.0, "\\": 5.0, "${x}": 6.0, "~": 7.0}),
    ],
)
@pytest.mark.parametrize("queue", [False, True])
def test_overrides_are_what_dvc_reads(before: Any, value: Any, queue: bool) -> None:
    assert applied(before, command_line(overrides("train.value", value, before)), queue) == value


texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn", "Zl", "Zp"]) | st.sampled_from("\\\"'${}~:=,.[]()"), max_size=8
)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts.filter(lambda text: text != "???")
)
mappings = st.dictionaries(texts.filter(bool), st.floats(allow_nan=False, allow_infinity=False) | texts, max_size=3)


@settings(deadline=None, max_examples=100)
@given(st.tuples(scalars, scalars | mappings | st.lists(scalars, max_size=3)) | st.tuples(mappings, mappings))
def test_overrides_give_any_value(values: tuple[Any, Any]) -> None:
    before, value = values
    assert applied(before, command_line(overrides("train.value", value, before))) == value
