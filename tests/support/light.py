"""Python processes in which nothing heavy can be imported, as if it were not installed."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from support.places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = {re.split(r"[<>=~. ]", name)[0] for extra in PROJECT["optional-dependencies"].values() for name in extra}
LIGHT = {re.split(r"[<>=~. ]", name)[0] for name in PROJECT["dependencies"]}
HEAVY = sorted({name.lower().replace("-", "_") for name in EXTRAS - LIGHT if "[" not in name} | {"pandas", "sklearn"})
"""The modules that the extras bring, and `pip install .` does not."""
BLOCK = f"""
import importlib, pkgutil, sys

HEAVY = {HEAVY!r}


class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY or name == "safetensors.torch":
            raise ModuleNotFoundError(f"blocked: {{name}}", name=name)


sys.meta_path.insert(0, Blocked())
"""
"""Code that makes each import of them fail."""


CLI = """
from clue_ner.cli.main import main

main()
"""


def python(
    code: str, *arguments: str, content: str = "", folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the code in a process of its own, in ``folder``, with ``content`` as standard input."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "", "PYTHONUTF8": "1"},
        cwd=folder,
        input=content,
        capture_output=True,
        text=True,
        timeout=100,
    )
