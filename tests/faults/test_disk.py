"""A full disk in each stage, and a file of DVC's cache that changed on disk."""

import errno
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.clones import STAGES, Clone, make_clone
from support.forked_stages import outs
from support.kills import results

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]
TRAIN = {"epochs": 1, "checkpoint_seconds": 0.0, "precision": "float32"}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A clone on a small disk of its own, in which all stages ran."""
    place = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        clone = make_clone(place / "clone", train=TRAIN)
        clone.run("dvc", "repro")
        yield clone
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)


def fill(folder: Path, leave: int = 0) -> Path:
    """Use up the disk with one file, but for ``leave`` bytes."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as stream:
        try:
            while shutil.disk_usage(folder).free > leave:
                stream.write(bytes(min(2**20, max(4096, shutil.disk_usage(folder).free - leave))))
        except OSError as error:
            assert error.errno == errno.ENOSPC
    return path


@pytest.mark.parametrize("stage", STAGES)
def test_disk_full_is_said_and_harms_nothing(small: Clone, stage: str, fault: Any) -> None:
    fault("disk full in each stage")
    before = results(small.path)
    for out in outs(stage):
        path = small.path / out
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    filler = fill(small.path)
    done = subprocess.run(
        [sys.executable, f"stages/{stage}.py"],
        cwd=small.path,
        env={**small.environment, "PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    left = results(small.path)
    filler.unlink()
    assert done.returncode == 1, done.stderr
    assert "error: the disk is full (" in done.stderr
    assert "Traceback" not in done.stderr
    assert left.items() <= before.items()
    small.run("dvc", "repro", "--force", "--single-item", stage)
    assert results(small.path) == before
    assert "Running stage" not in small.run("dvc", "repro")


def test_disk_full_of_checkpoints_does_not_end_the_training(small: Clone, fault: Any) -> None:
    fault("disk full for a checkpoint")
    before = results(small.path)
    filler = fill(small.path, leave=2 * (small.path / "models/tagger/model.safetensors").stat().st_size)
    said = small.run("dvc", "repro", "--force", "--single-item", "fine_tune", ok=None)
    filler.unlink()
    assert "no checkpoint at step" in said or "the disk is full" in said
    small.run("dvc", "repro", "--force", "--single-item", "fine_tune")
    assert results(small.path) == before


@pytest.mark.parametrize(
    ("file", "reader"),
    [
        ("data/corpus/corpus.json", "tag_map"),
        ("data/corpus/train.jsonl", "tokenize_align"),
        ("data/backbone/tokenizer.json", "tokenize_align"),
        ("data/backbone/model.safetensors", "fine_tune"),
        ("data/encoded/train.arrow", "fine_tune"),
        ("models/tagger/model.safetensors", "evaluate"),
        ("data/test/test.jsonl", "export"),
        ("data/test/corpus.json", "evaluate"),
    ],
)
def test_cache_damaged_is_noticed_and_made_again(small: Clone, file: str, reader: str, fault: Any) -> None:
    fault("DVC cache file damaged")
    before = results(small.path)
    path = small.path / file
    content = path.read_bytes()
    (cached,) = [p for p in (small.path / ".dvc/cache/files").rglob("*") if p.is_file() and p.read_bytes() == content]
    cached.chmod(0o644)
    cached.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    cached.chmod(0o444)
    shutil.rmtree(path.parent)
    small.run("dvc", "checkout", "--force")
    said = small.run("dvc", "repro", "--force", "--single-item", reader, ok=False)
    assert f"{file}: damaged" in said
    assert "chmod -R u+w .dvc/cache && dvc repro" in said
    small.run("bash", "-c", "chmod -R u+w .dvc/cache && dvc repro")
    assert results(small.path) == before
