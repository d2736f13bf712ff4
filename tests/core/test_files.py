"""Files between stages: whole or not at all, and checked when they are read."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.places import ROOT

from clue_ner.common.errors import ArtifactError
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.files import (
    CHECKSUMS,
    atomic_folder,
    folder_fingerprint,
    from_record,
    read_json,
    read_sentences,
    sha256,
    to_record,
    verify_checksums,
    write_checksums,
    write_json,
    write_sentences,
    write_text,
)

SENTENCES = [
    Sentence("1", "我在北京\u2028第二行\n第三行", (Entity(2, 4, "address"),)),
    Sentence("2", ""),
    Sentence("3", "😀\x00\x85", (Entity(0, 1, "name"), Entity(0, 3, "book"))),
]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_artifacts_sentences_come_back_as_they_were(tmp_path: Path) -> None:
    write_sentences(tmp_path / "deep/er/train.jsonl", SENTENCES)
    assert read_sentences(tmp_path / "deep/er/train.jsonl") == SENTENCES
    assert (tmp_path / "deep/er/train.jsonl").read_bytes().count(b"\n") == len(SENTENCES)
    assert names(tmp_path / "deep/er") == ["train.jsonl"]


def test_artifacts_record_lists_what_is_documented() -> None:
    record = to_record(SENTENCES[0])
    assert record == {
        "id": "1",
        "text": SENTENCES[0].text,
        "entities": [{"type": "address", "start": 2, "end": 4}],
    }
    assert from_record(json.loads(json.dumps(record))) == SENTENCES[0]


@pytest.mark.parametrize(
    "damage", [b"{", b"[]", b'{"id": "1"}', b'{"id": "1", "text": "", "entities": [3]}', b"\xff\xfe", b""]
)
def test_artifacts_read_sentences_names_the_damaged_line(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "train.jsonl"
    write_sentences(path, SENTENCES)
    path.write_bytes(path.read_bytes() + damage + b"\n")
    with pytest.raises(ArtifactError, match=r"train\.jsonl:4: damaged record .*dvc repro"):
        read_sentences(path)


def test_artifacts_read_says_which_stage_to_run_for_a_missing_file(tmp_path: Path) -> None:
    for read in (read_sentences, read_json):
        with pytest.raises(ArtifactError, match=r"absent: no such file; run the stage that makes it with `dvc repro`"):
            read(tmp_path / "absent")


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff{}"])
def test_artifacts_read_json_refuses_what_is_not_json(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "a.json").write_bytes(damage)
    with pytest.raises(ArtifactError, match=r"a\.json: damaged, not JSON .*dvc repro"):
        read_json(tmp_path / "a.json")


def test_artifacts_write_json_keeps_six_digits_of_floats_and_everything_else(tmp_path: Path) -> None:
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


def test_artifacts_write_text_leaves_the_old_file_if_it_fails(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(UnicodeEncodeError, match="surrogates"):
        write_text(tmp_path / "a.txt", "new \ud800")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["a.txt"]


def test_artifacts_atomic_folder_takes_the_old_one_s_place(tmp_path: Path) -> None:
    target = tmp_path / "data/encoded"
    for content in ("old", "new"):
        with atomic_folder(target) as folder:
            (folder / "sub").mkdir()
            (folder / "sub/file").write_text(content, encoding="utf-8")
            (folder / content).touch()
            assert not (target / content).exists()
    assert names(target) == ["new", "sub"]
    assert (target / "sub/file").read_text(encoding="utf-8") == "new"
    assert names(tmp_path / "data") == ["encoded"]
    assert target.stat().st_mode & 0o777 == 0o755


def test_artifacts_atomic_folder_leaves_the_old_one_if_the_disk_is_full(tmp_path: Path) -> None:
    target = tmp_path / "data"
    target.mkdir()
    (target / "old").touch()
    with pytest.raises(OSError, match="No space"), atomic_folder(target) as folder:
        (folder / "half").touch()
        raise OSError(errno.ENOSPC, "No space left on device")
    assert names(target) == ["old"]
    assert names(tmp_path) == ["data"]


def test_artifacts_checksums_find_a_changed_and_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a", "sub/b"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    write_checksums(tmp_path)
    assert read_json(tmp_path / CHECKSUMS) == {name: sha256(tmp_path / name) for name in ("a", "sub/b")}
    verify_checksums(tmp_path, "mend it")
    (tmp_path / "sub/b").write_text("c", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"sub/b: damaged \(sha256 .* wanted .*\); mend it"):
        verify_checksums(tmp_path, "mend it")
    (tmp_path / "sub/b").unlink()
    with pytest.raises(ArtifactError, match=r"sub/b: missing; mend it"):
        verify_checksums(tmp_path, "mend it")


def test_artifacts_folder_fingerprint_depends_on_names_and_contents(tmp_path: Path) -> None:
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
from clue_ner.core import files as artifacts
def dies(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)
target = Path(sys.argv[1])
if sys.argv[2] == "text":
    os.fsync = dies
    artifacts.write_text(target, "half")
elif sys.argv[2] == "write":
    with artifacts.atomic_folder(target) as folder:
        (folder / "half").touch()
        dies()
else:
    artifacts.shutil.rmtree = dies
    with artifacts.atomic_folder(target) as folder:
        (folder / "new").touch()
"""


@pytest.mark.parametrize("moment", ["text", "write", "remove"])
def test_artifacts_what_a_kill_leaves_is_cleared_and_never_has_the_name(tmp_path: Path, moment: str) -> None:
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
