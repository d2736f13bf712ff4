"""Checkpoints of trainings on disk: written atomically, verified by checksums before use; the newest two are kept.

They are in ``.checkpoints/KEY/step-NUMBER/`` of the repository. The key is a hash of everything that determines the
weights, so a training never resumes from a checkpoint with other params, data, code, libraries or device.
"""

import contextlib
import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import atomic_folder, read_json, verify_checksums, write_checksums, write_json
from clue_ner.common.stage import is_disk_full

logger = logging.getLogger(__name__)

KEPT = 2
LIMIT = 10 * 2**30
"""Maximum total size in bytes of the checkpoints of other trainings that were killed and not resumed."""
ABOUT = "about.json"


class Checkpoints:
    """The checkpoints of one training; ``about`` is everything that determines its weights (code under ``code``)."""

    def __init__(self, home: Path, about: Mapping[str, Any]) -> None:
        self.about = dict(about)
        key = hashlib.sha256(json.dumps(self.about, sort_keys=True).encode()).hexdigest()[:32]
        self.folder = home / ".checkpoints" / key
        self.seconds = 0.0
        """the time that the last one took to write"""

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Lock this training against other processes, remove unusable checkpoints; the lock ends with its process."""
        lock = _lock_of(self.folder)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            logger.info("another process is on the same training; waiting for it")
            lock.acquire()
        try:
            self._clean()
            yield
        finally:
            lock.release()

    def newest(self) -> Path | None:
        """The newest undamaged checkpoint; damaged ones are logged and removed."""
        for path in reversed(self._steps()):
            try:
                verify_checksums(path, "the checkpoint before it is used, or the training starts from the beginning")
            except ArtifactError as error:
                logger.warning("%s", error)
                shutil.rmtree(path)
            else:
                return path
        return None

    def write(self, step: int, fill: Callable[[Path], None]) -> None:
        """Let ``fill`` write the state after ``step`` steps to a folder, which gets its final name when it is complete.

        A full disk is logged, and the training continues without this checkpoint.
        """
        try:
            if not (self.folder / ABOUT).exists():
                write_json(self.folder / ABOUT, self.about)
            with atomic_folder(self.folder / f"step-{step:08d}") as folder:
                fill(folder)
                write_checksums(folder)
        except Exception as error:
            if not is_disk_full(error):
                raise
            logger.warning("no checkpoint at step %d: the disk is full; free some space", step)
        for old in self._steps()[:-KEPT]:
            shutil.rmtree(old)

    def remove(self) -> None:
        """Remove all checkpoints: the training is done."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _steps(self) -> list[Path]:
        """The folders, oldest first."""
        return sorted(self.folder.glob("step-*"))

    def _clean(self) -> None:
        """Remove incomplete checkpoints, those of other code, and the oldest of the rest above ``LIMIT``."""
        for half in self.folder.glob(".step-*"):
            shutil.rmtree(half)
        others = [path for path in self.folder.parent.glob("*/") if path != self.folder]
        total = 0
        for path in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True):
            size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
            total += size
            if (reason := self._useless(path)) is None and total > LIMIT:
                reason = f"the checkpoints of unfinished trainings take more than {LIMIT >> 30} GiB"
            if reason is None:
                continue
            with contextlib.suppress(Timeout), _lock_of(path).acquire(timeout=0):
                shutil.rmtree(path)
                total -= size
                logger.info("removed the checkpoints in %s: %s", path, reason)

    def _useless(self, other: Path) -> str | None:
        """The reason why no training can resume from ``other``; None if one can."""
        try:
            code = read_json(other / ABOUT).get("code")
        except (ArtifactError, AttributeError):
            return f"{ABOUT} is missing or damaged"
        return None if code == self.about.get("code") else "they were made by other code"


def _lock_of(folder: Path) -> FileLock:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(folder.with_suffix(".lock"))
