import math
from pathlib import Path

import pytest
from support.tracking_repository import begin, fingerprint_of, own_store  # noqa: F401

from clue_ner.tracking import Journal
from clue_ner.tracking.journal import Record, journals


def read(journal: Journal) -> Record:
    record = journal.read()
    assert record is not None
    return record


def test_journal_read_gives_none_before_begin(tmp_path: Path) -> None:
    assert Journal(tmp_path, "f").read() is None


def test_journal_begin_keeps_params_tags_and_files(tmp_path: Path) -> None:
    journal = begin(tmp_path, "a", lr=4e-05)
    record = read(journal)
    assert record.begin["params"]["train.lr"] == "4e-05"
    assert record.begin["params"]["seed"] == "0"
    assert "corpus.path" not in record.begin["params"]
    assert record.begin["tags"]["clue_ner.fingerprint"] == fingerprint_of("a")
    assert record.begin["tags"]["clue_ner.head"] == "crf"
    assert record.begin["tags"]["clue_ner.device"] == "cpu"
    assert record.artifacts == ["params.yaml", "environment.txt"]
    assert (journal.files / "params.yaml").read_text() == "seed: 0\n"
    assert "mlflow==" in (journal.files / "environment.txt").read_text()


def test_journal_begin_again_changes_nothing(tmp_path: Path) -> None:
    before = begin(tmp_path, "a").path.read_bytes()
    assert begin(tmp_path, "a").path.read_bytes() == before


def test_journal_metrics_keep_the_first_value_and_time_of_a_step(tmp_path: Path) -> None:
    journal = begin(tmp_path, "a")
    journal.metrics(1, {"train/loss": 1.5})
    first = read(journal).points
    journal.metrics(1, {"train/loss": 9.0, "valid/micro_f1": math.inf})
    journal.metrics(2, {"train/loss": 1.0})
    points = read(journal).points
    assert points["train/loss", 1] == first["train/loss", 1]
    assert {key: value for key, (value, _) in points.items()} == {
        ("train/loss", 1): 1.5,
        ("valid/micro_f1", 1): math.inf,
        ("train/loss", 2): 1.0,
    }


def test_journal_tags_keep_the_last_value(tmp_path: Path) -> None:
    journal = begin(tmp_path, "a")
    journal.tags({"clue_ner.warnings": "one", "clue_ner.failure": "x"})
    journal.tags({"clue_ner.warnings": "two"})
    assert read(journal).tags == {"clue_ner.warnings": "two", "clue_ner.failure": "x"}


@pytest.mark.parametrize("torn", [b'{"kind": "met', b'{"kind":"end","time":1,"status":"FAILED"}', b"\xff\xfe"])
def test_journal_torn_last_line_is_replaced(tmp_path: Path, torn: bytes) -> None:
    journal = begin(tmp_path, "a")
    journal.metrics(1, {"train/loss": 1.5})
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole + torn)
    assert read(journal).status is None
    journal.metrics(2, {"train/loss": 1.0})
    record = read(journal)
    assert record.damaged == []
    assert [step for _, step in record.points] == [1, 2]
    assert journal.path.read_bytes().startswith(whole)


def test_journal_damaged_line_is_counted(tmp_path: Path) -> None:
    journal = begin(tmp_path, "a")
    journal.metrics(1, {"train/loss": 1.5})
    journal.metrics(2, {"train/loss": 1.0})
    lines = journal.path.read_bytes().splitlines(keepends=True)
    lines[3] = b"\x00\x00\x00\n"
    journal.path.write_bytes(b"".join(lines))
    assert read(journal).damaged == [4]
    assert [step for _, step in read(journal).points] == [2]


def test_journal_end_finished_stays(tmp_path: Path) -> None:
    journal = begin(tmp_path, "a")
    journal.end("FAILED")
    assert read(journal).status == "FAILED"
    journal.end()
    finished = read(journal)
    journal.end("FAILED")
    assert (read(journal).status, read(journal).end) == ("FINISHED", finished.end)


def test_journal_artifact_replaces_the_one_of_that_name(tmp_path: Path) -> None:
    journal = begin(tmp_path, "a")
    journal.artifact("plots/loss.csv", "old")
    (tmp_path / "loss.csv").write_text("new")
    journal.artifact("plots/loss.csv", tmp_path / "loss.csv")
    assert read(journal).artifacts.count("plots/loss.csv") == 1
    assert [p.read_text() for p in (journal.files / "plots").iterdir()] == ["new"]


def test_journal_lives_in_the_original_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "original"))
    monkeypatch.setenv("DVC_EXP_NAME", "puffy-daks")
    journal = begin(tmp_path / "temporary", "a")
    assert journal.path.parent == tmp_path / "original" / ".tracking"
    assert read(journal).begin["name"] == "puffy-daks"
    assert [j.fingerprint for j in journals(tmp_path)] == [fingerprint_of("a")]


def test_journal_metrics_have_the_digits_of_the_metrics_files(tmp_path: Path) -> None:
    journal = begin(tmp_path, "a")
    journal.metrics(1, {"valid/micro_f1": 0.7328244274809161, "system/memory": 12345678.9, "train/loss": 1})
    assert {name: value for (name, _), (value, _) in read(journal).points.items()} == {
        "valid/micro_f1": 0.732824,
        "system/memory": 12345700.0,
        "train/loss": 1.0,
    }
