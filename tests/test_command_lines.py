"""Command lines of DVC in docs, comments and messages: DVC takes each, and its grammar each ``-S``, as they stand."""

import ast
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc.cli import parse_args
from dvc.utils.cli_parse import to_path_overrides
from dvc.utils.hydra import apply_overrides, get_hydra_sweeps
from support.places import ROOT

from clue_ner.core.params import dotted, load_params
from clue_ner.core.yaml import read_yaml

TEXTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*.yaml"), ROOT / "Makefile"]
CODE = [path for folder in ("src", "stages", "tools", "bench") for path in (ROOT / folder).rglob("*.py")]
CODE_SPAN = re.compile(r"(`+)(.+?)\1", re.DOTALL)
CODE_BLOCK = re.compile(r"^ *```.*?\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
MENTIONS = {"dvc plots", "dvc exp run -S"}
"""Names of commands, which are not a line to run."""


def spans(path: Path) -> Iterator[str]:
    """What stands between backticks, and the lines of code blocks or of a file of its own kind."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)]
        prose, lines = "\n".join(node.value for node in nodes if isinstance(node.value, str)), ""
    elif path.suffix == ".md":
        prose, lines = CODE_BLOCK.sub("", text), "".join(CODE_BLOCK.findall(text))
    else:
        prose = lines = text
    yield from (found[2] for found in CODE_SPAN.finditer(prose))
    yield from (line.removeprefix("$ ") for line in lines.splitlines())


def commands(span: str) -> Iterator[list[str]]:
    """The commands of DVC in a line for a shell, as their arguments; a bare ``-S …`` is one of ``dvc exp run``."""
    line = " ".join(span.split())
    lexer = shlex.shlex(f"dvc exp run {line}" if line.startswith("-S ") else line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:  # prose with an apostrophe
        return
    while words:
        end = next((place for place, word in enumerate(words) if set(word) <= set("();<>|&")), len(words))
        command, words = words[:end], words[end + 1 :]
        while command and re.fullmatch(r"\w+=.*", command[0]):  # variables of the environment
            command = command[1:]
        if len(command) > 1 and Path(command[0]).name == "dvc" and "…" not in "".join(command):
            yield ["dvc", *command[1:]]


LINES = sorted({(shlex.join(c), path.name) for path in [*TEXTS, *CODE] for span in spans(path) for c in commands(span)})


def test_command_lines_are_found_where_they_stand() -> None:
    found = {(name, line) for line, name in LINES}
    assert {
        ("params.yaml", "dvc exp run -S train.lr=4e-5"),
        ("README.md", "dvc exp run -S seed=1,2,3 --queue"),
        ("experiments.md", "dvc exp run --temp --name low -S train.lr=4e-5"),
        ("heads.md", "dvc exp run -S train.flat=false"),
        ("revision.py", "dvc exp list -A"),
    } <= found
    assert any("人名" in line for line, name in LINES if name == "experiments.md")
    assert len(found) > 80


@pytest.mark.parametrize("line", [line for line in dict(LINES) if line not in MENTIONS])
def test_command_lines_are_taken_by_dvc(line: str, tmp_path: Path) -> None:
    arguments = parse_args(shlex.split(line)[1:])
    changes = to_path_overrides(getattr(arguments, "set_param", None) or [])
    assert set(changes) <= {"params.yaml"}
    known = dotted(load_params(ROOT / "params.yaml").model_dump())
    for sweep in get_hydra_sweeps(changes):
        path = tmp_path / "params.yaml"
        shutil.copy(ROOT / "params.yaml", path)
        apply_overrides(path, sweep.get("params.yaml", []))
        assert dotted(read_yaml(path.read_bytes(), "params.yaml")).keys() == known.keys()
