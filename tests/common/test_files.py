"""Files between stages: whole or not at all, and checked when they are read."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.places import ROOT

from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import (
    CHECKSUMS,
    atomic_folder,
    checked,
    folder_fingerprint,
    read_json,
    sha256,
    verify_checksums,
    write_checksums,
    write_csv,
    write_json,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_files_read_json_says_which_stage_to_run_for_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"absent: no such file; run the stage that makes it with `dvc repro`"):
        read_json(tmp_path / "absent")


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff{}", b"[" * 100_000, b"9" * 5000])
def test_files_read_json_refuses_what_is_not_json(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "a.json").write_bytes(damage)
    with pytest.raises(ArtifactError, match=r"a\.json: damaged, not JSON .*dvc repro"):
        read_json(tmp_path / "a.json")


def test_files_write_json_keeps_six_digits_of_floats_and_everything_else(tmp_path: Path) -> None:
    value = {"f1": 0.123456789, "lr": 1.25e-7, "n": 12345678, 3: (1.0, None, True), "名": "字"}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == {
        "f1": 0.123457,
        "lr": 1.25e-7,
        "n": 12345678,
        "3": [1.0, None, True],
        "名": "字",
    }
    assert "名" in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert (tmp_path / "a.json").read_bytes().endswith(b"}\n")


def test_files_write_text_leaves_the_old_file_if_it_fails(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(UnicodeEncodeError, match="surrogates"):
        write_text(tmp_path / "a.txt", "new \ud800")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["a.txt"]


def test_files_atomic_folder_takes_the_old_one_s_place(tmp_path: Path) -> None:
    target = tmp_path / "data/encoded"
    for content in ("old", "new"):
        with atomic_folder(target) as folder:
            (folder / "sub").mkdir()
            (folder / "sub/file").write_text(content, encoding="utf-8")
            (folder / "sub/file").chmod(0o600)
            (folder / content).touch()
            assert not (target / content).exists()
    assert names(target) == ["new", "sub"]
    assert (target / "sub/file").read_text(encoding="utf-8") == "new"
    assert names(tmp_path / "data") == ["encoded"]
    assert target.stat().st_mode & 0o777 == 0o755
    assert (target / "sub/file").stat().st_mode & 0o777 == 0o644


def test_files_atomic_folder_leaves_the_old_one_if_the_disk_is_full(tmp_path: Path) -> None:
    target = tmp_path / "data"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(OSError, match="No space"), atomic_folder(target) as folder:
        (folder / "half").touch()
        raise OSError(errno.ENOSPC, "No space left on device")
    assert names(target) == ["old"]
    assert names(tmp_path) == ["data"]


def test_files_checksums_find_a_changed_and_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a", "sub/b"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    write_checksums(tmp_path)
    assert read_json(tmp_path / CHECKSUMS) == {name: sha256(tmp_path / name) for name in ("a", "sub/b")}
    verify_checksums(tmp_path, "do it again")
    (tmp_path / "sub/b").write_text("c", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"sub/b: damaged \(sha256 .* wanted .*\); do it again"):
        verify_checksums(tmp_path, "do it again")
    (tmp_path / "sub/b").unlink()
    with pytest.raises(ArtifactError, match=r"sub/b: missing; do it again"):
        verify_checksums(tmp_path, "do it again")


def test_files_checked_compares_only_what_it_is_asked_for(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    write_checksums(tmp_path)
    (tmp_path / "b").write_text("c", encoding="utf-8")
    assert checked(tmp_path, "a") == tmp_path
    for names_ in ((), ("b",), ("a", "b")):
        with pytest.raises(ArtifactError, match=r"b: damaged .*run `chmod -R u\+w \.dvc/cache && dvc repro`"):
            checked(tmp_path, *names_)
    with pytest.raises(
        ArtifactError, match=r"checksums\.json: lists no never-listed, so not of this folder; run `chmod"
    ):
        checked(tmp_path, "never-listed")


@pytest.mark.parametrize("name", ["../secret", "link"])
def test_files_checksums_do_not_lead_out_of_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    (folder / "link").symlink_to("../secret")
    write_json(folder / CHECKSUMS, {name: sha256(tmp_path / "secret")})
    with pytest.raises(ArtifactError, match=r"leads out of its folder, to .*/secret; copy the file itself there"):
        verify_checksums(folder, "do it again")


def test_files_checksums_follow_links_into_dvc_s_cache(tmp_path: Path) -> None:
    cached = tmp_path / ".dvc/cache/files/md5/ab/cdef"
    cached.parent.mkdir(parents=True)
    cached.write_text("content", encoding="utf-8")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a").symlink_to(cached)
    write_json(tmp_path / "data" / CHECKSUMS, {"a": sha256(cached)})
    verify_checksums(tmp_path / "data", "")


def test_files_write_csv_quotes_what_would_be_two_cells(tmp_path: Path) -> None:
    write_csv(tmp_path / "deep/a.csv", ["type", "f1"], [["a,b", 0.5], ['"', None]])
    assert (tmp_path / "deep/a.csv").read_bytes() == b'type,f1\n"a,b",0.5\n"""",\n'


def test_files_folder_fingerprint_depends_on_names_and_contents(tmp_path: Path) -> None:
    def fingerprint(name: str, files: dict[str, str]) -> str:
        for file, content in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(content, encoding="utf-8")
        return folder_fingerprint(tmp_path / name)

    first = fingerprint("one", {"a": "1", "sub/b": "2"})
    assert first == fingerprint("two", {"sub/b": "2", "a": "1"})
    others = [{"a": "1", "sub/b": "3"}, {"a": "1", "sub/c": "2"}, {"a": "1"}, {"a": "2", "sub/b": "1"}]
    assert len({first, *(fingerprint(f"other{i}", files) for i, files in enumerate(others))}) == len(others) + 1


KILLED = """
import os, signal, sys
from pathlib import Path
from clue_ner.common import files
def dies(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)
target = Path(sys.argv[1])
if sys.argv[2] == "text":
    os.fsync = dies
    files.write_text(target, "half")
elif sys.argv[2] == "write":
    with files.atomic_folder(target) as folder:
        (folder / "half").touch()
        dies()
else:
    files.shutil.rmtree = dies
    with files.atomic_folder(target) as folder:
        (folder / "new").touch()
"""


@pytest.mark.parametrize("moment", ["text", "write", "remove"])
def test_files_what_a_kill_leaves_is_cleared_and_never_has_the_name(tmp_path: Path, moment: str) -> None:
    target = tmp_path / "out"
    if moment == "text":
        write_text(target, "old")
    else:
        target.mkdir()
        (target / "old").touch()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", KILLED, target, moment], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert names(tmp_path) != ["out"]
    assert moment == "text" or names(target) == (["new"] if moment == "remove" else ["old"])
    (tmp_path / f".out.{os.getpid()}.mine").touch()
    if moment == "text":
        write_text(target, "new")
    else:
        with atomic_folder(target):
            pass
    assert names(tmp_path) == [f".out.{os.getpid()}.mine", "out"]
