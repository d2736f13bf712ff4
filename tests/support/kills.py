"""A command killed at a moment, and whether what it left and what came after is as if nothing had been."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil

from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import sha256, verify_checksums
from support.clones import Clone

FOLDERS = ("data", "models", "metrics", "plots")


def results(root: Path) -> dict[str, str]:
    """Path to SHA-256 of everything that stages write, but for the model card, which has speeds in it."""
    files = (path for folder in FOLDERS for path in (root / folder).rglob("*") if path.is_file())
    return {str(path.relative_to(root)): sha256(path) for path in files if path.name not in (".gitignore", "README.md")}


def stage_process(process: "subprocess.Popen[str]", stage: str) -> psutil.Process | None:
    """The Python process of the stage below a ``dvc repro``, or None when there is none any more."""
    while process.poll() is None:
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(process.pid).children(recursive=True):
                if child.cmdline()[-1:] == [f"stages/{stage}.py"] and "python" in child.name():
                    return child
        time.sleep(0.02)
    return None


def kill_all(process: "subprocess.Popen[str]") -> None:
    """SIGKILL to the command and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def kill_stage(process: "subprocess.Popen[str]", stage: psutil.Process) -> None:
    """SIGKILL to the stage only; DVC sees it fail and ends by itself."""
    with contextlib.suppress(psutil.Error):
        stage.kill()
    process.wait(60)


def is_whole(checkpoint: Path) -> bool:
    """Whether a training can resume from it: a kill at the very end meets checkpoints that are being removed."""
    try:
        verify_checksums(checkpoint, "")
    except ArtifactError:
        return False
    return True


def assert_nothing_half(clone: Clone, before: dict[str, str]) -> None:
    """Whatever is under its final name is what an undisturbed run puts there."""
    for name, found in results(clone.path).items():
        if not any(part.startswith(".") for part in Path(name).parts):
            assert found == before[name], f"{name} is neither missing nor whole"
    if (tagger := clone.path / "models/tagger").exists():
        verify_checksums(tagger, "")
