"""The tagger of commit 3ec9ba5, which always needed torch: its code, and a model in its format."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.commands import run
from clue_ner.common.files import read_json, write_checksums, write_json
from clue_ner.tagger.config import FILE

COMMIT = "3ec9ba5"
CLI = "clue_ner.cli"
"""Its module with the command line."""
WRITE_GRAPHS = """
import sys
from pathlib import Path
from clue_ner.exporting import onnx
from clue_ner.tagger import Tagger

onnx.write(Tagger.load(sys.argv[1]).model, Path(sys.argv[2]))
"""
"""In its own code: folder of the model, folder of the graphs."""


def in_history(root: Path, variables: Mapping[str, str]) -> bool:
    """Whether the repository has the commit; a shallow clone does not."""
    known = run(["git", "cat-file", "-e", f"{COMMIT}^{{commit}}"], root, variables, check=False)
    return bool(known.returncode == 0)


def unpack(root: Path, folder: Path, variables: Mapping[str, str]) -> Path | None:
    """Write its source into ``folder`` and return the path of the source; None if it is not in the history."""
    if not in_history(root, variables):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / "src.tar"
    run(["git", "archive", "--output", str(archive), COMMIT, "src"], root, variables)
    shutil.unpack_archive(archive, folder)
    return folder / "src"


def convert(export: Path, folder: Path, variables: Mapping[str, str]) -> Path:
    """Copy ``export`` to ``folder`` in format 1, with graphs that its own code writes from the same weights.

    ``variables`` have its source in PYTHONPATH. Returns ``folder``.
    """
    tagger = folder / "tagger"
    shutil.copytree(export / "tagger", tagger)
    values = read_json(tagger / FILE)
    values["format"] = 1
    values["trained"]["corpus"].pop("splits", None)
    write_json(tagger / FILE, values)
    write_checksums(tagger)
    run([sys.executable, "-c", WRITE_GRAPHS, str(tagger), str(folder / "onnx")], folder, variables)
    return folder
