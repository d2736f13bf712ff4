"""Files between stages: written atomically, and read with their checksums compared."""

import contextlib
import csv
import hashlib
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import Any

from clue_ner.common.errors import ArtifactError

CHECKSUMS = "checksums.json"
ADVICE = "run `chmod -R u+w .dvc/cache && dvc repro`, so that DVC checks its cache and makes damaged files again"
"""DVC trusts read-only files in its cache, so it would restore the same damaged file."""


@contextlib.contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """A new folder next to ``target`` that replaces it only if the block ends without an exception."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _clear(target)
    work = Path(tempfile.mkdtemp(prefix=_prefix(target), dir=target.parent))
    try:
        yield work
        for path in work.rglob("*"):
            if path.is_file() and not path.is_symlink():
                path.chmod(0o644)  # safetensors writes files that only their owner can read
                _fsync(path)
        work.chmod(0o755)
        old = work.with_name(f"{work.name}.old")
        if target.exists():
            target.rename(old)  # never leave half of it under its final name
        work.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """An empty temporary file next to ``path`` that is renamed to ``path`` if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear(path)
    handle, name = tempfile.mkstemp(prefix=_prefix(path), dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _fsync(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to a temporary file beside ``path`` and rename it into place."""
    with atomic_file(path) as place:
        place.write_text(text, encoding="utf-8", newline="\n")


def write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a CSV file: a line of column names and one line for each row."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, buffer.getvalue())


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON with a final newline; floats keep six significant digits."""
    write_text(path, json.dumps(_rounded(value), ensure_ascii=False, indent=2) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file that an earlier stage wrote."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(f"{path}: no such file; run the stage that makes it with `dvc repro`") from None
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits
        raise ArtifactError(f"{path}: damaged, not JSON ({error}); {ADVICE}") from None


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_checksums(folder: Path, known: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Record the SHA-256 of every file in ``folder``, in ``checksums.json`` there, and return it.

    ``known`` has checksums that need not be computed again.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CHECKSUMS)
    names = {path.relative_to(folder).as_posix(): path for path in files}
    checksums = {name: known.get(name) or sha256(path) for name, path in names.items()}
    write_json(folder / CHECKSUMS, checksums)
    return checksums


def verify_checksums(folder: Path, advice: str, names: Collection[str] = ()) -> None:
    """Compare ``folder``, or only ``names`` in it, with its ``checksums.json``; its errors end with ``advice``."""
    listed = read_json(folder / CHECKSUMS)
    if not isinstance(listed, dict):
        raise ArtifactError(f"{folder / CHECKSUMS}: damaged, wanted a JSON object; {advice}")
    if missing := sorted(set(names) - listed.keys()):
        raise ArtifactError(f"{folder / CHECKSUMS}: lists no {', '.join(missing)}, so not of this folder; {advice}")
    for name in names or listed:
        wanted = listed[name]
        path = folder / name
        if not path.is_file():
            raise ArtifactError(f"{path}: missing; {advice}")
        if _leads_out(path, folder):
            raise ArtifactError(f"{path}: leads out of its folder, to {path.resolve()}; copy the file itself there")
        if (found := sha256(path)) != wanted:
            raise ArtifactError(f"{path}: damaged (sha256 {found[:12]}…, wanted {str(wanted)[:12]}…); {advice}")


@contextlib.contextmanager
def verified_meanwhile(path: Path, advice: str) -> Iterator[None]:
    """Compare ``path`` with ``checksums.json`` beside it in a thread, while the block reads it.

    At the end of the block it raises what ``verify_checksums`` raises, even instead of the block's own exception.
    """
    with ThreadPoolExecutor(1) as pool:
        compared = pool.submit(verify_checksums, path.parent, advice, [path.name])
        try:
            yield
        finally:
            compared.result()


def checked(folder: Path, *names: str) -> Path:
    """Compare all checksums of a stage's ``folder``, or those of ``names``, and return the folder.

    Raises ArtifactError that names the damaged file and the command that makes it again.
    """
    verify_checksums(folder, ADVICE, names)
    return folder


def folder_fingerprint(folder: Path) -> str:
    """SHA-256 over the names and contents of all files below ``folder``."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{sha256(path)}\n".encode())
    return digest.hexdigest()


def _prefix(target: Path) -> str:
    """The temporary name of ``target``; it contains the id of the process that writes it."""
    return f".{target.name}.{os.getpid()}."


def _clear(target: Path) -> None:
    """Remove temporary files of ``target`` that killed processes left."""
    left = re.compile(rf"\.{re.escape(target.name)}\.(\d+)\..*")
    for path in target.parent.iterdir():
        found = left.fullmatch(path.name)
        if found is None or _lives(int(found[1])):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _leads_out(path: Path, folder: Path) -> bool:
    """Whether a name or a link leads out of the folder; links into DVC's cache are allowed."""
    target = path.resolve()
    return not target.is_relative_to(folder.resolve()) and target.parts[-4:-2] != ("files", "md5")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value


def _fsync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
