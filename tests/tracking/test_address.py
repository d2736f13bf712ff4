"""One address for every working folder; those that can never work are refused in one line, without secrets."""

from pathlib import Path

import pytest
from support.tracking_repository import begin, fingerprint_of, own_store, put_empty_store, runs  # noqa: F401

from clue_ner.common.errors import TrackingError
from clue_ner.tracking import sync
from clue_ner.tracking.address import is_database, local_file, uri_of
from clue_ner.tracking.store import connect


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder that is not the repository's root; the home folder is ``at-home``."""
    for name in ("subfolder", "at-home", "mlruns"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "subfolder")
    monkeypatch.setenv("HOME", str(tmp_path / "at-home"))
    return tmp_path


@pytest.mark.parametrize(
    ("written", "file"),
    [
        (None, "mlflow.db"),
        ("", "mlflow.db"),
        ("  ", "mlflow.db"),
        ("sqlite:///mlflow.db", "mlflow.db"),
        (" sqlite:///mlflow.db\t", "mlflow.db"),
        ("sqlite:///./runs/all.db", "runs/all.db"),
        ("SQLite:///mlflow.db", "mlflow.db"),
        ("sqlite+pysqlite:///mlflow.db", "mlflow.db"),
        ("sqlite:///语料 库.db", "语料 库.db"),
        ("sqlite:///a%20b.db", "a b.db"),
        ("sqlite:///100%25 of it?timeout=9", "100% of it"),
        ("sqlite:///~/mlflow.db", "at-home/mlflow.db"),
    ],
)
def test_address_of_a_file_is_at_the_root(
    here: Path, monkeypatch: pytest.MonkeyPatch, written: str | None, file: str
) -> None:
    if written is not None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", written)
    uri = uri_of(here)
    assert local_file(uri) == here / file
    assert uri.startswith(f"sqlite:///{here}/")
    assert is_database(uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert uri_of(here) == uri


@pytest.mark.parametrize("variable", ["DVC_ROOT", "CLUE_NER_HOME"])
def test_address_of_a_file_in_a_temporary_copy_is_the_repository_s(
    here: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///runs.db")
    monkeypatch.setenv(variable, str(here))
    assert local_file(uri_of(here / "subfolder")) == here / "runs.db"


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("http://127.0.0.1:5000", None),
        ("HTTPS://me:secret@mlflow.example/prefix/", "https://me:secret@mlflow.example/prefix/"),
        ("http://[::1]:5000", None),
    ],
)
def test_address_of_a_server_stays(
    here: Path, monkeypatch: pytest.MonkeyPatch, written: str, wanted: str | None
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", written)
    assert uri_of(here) == (wanted or written)
    assert (local_file(uri_of(here)), is_database(uri_of(here))) == (None, False)


@pytest.mark.parametrize("folder", ["re po", "资料库", "a%20b", "what?", "100%"])
def test_address_store_is_one_at_the_root_with_its_artifacts(
    here: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    root = here / folder
    root.mkdir()
    put_empty_store(root)
    journal = begin(root, "a")
    summary = sync(root)
    assert (summary.runs, summary.problems) == ([fingerprint_of("a")], [])
    assert list(here.rglob("*.db")) == [root / "mlflow.db"]
    assert (root / "mlartifacts").is_dir()
    assert list((here / "subfolder").iterdir()) == []
    (run,) = runs(connect(root).client)
    assert run.data.tags["clue_ner.fingerprint"] == journal.fingerprint


@pytest.mark.parametrize(
    ("written", "why"),
    [
        *((folder, "no such kind of store") for folder in ("./mlruns", "mlruns", "/tmp/mlruns", "~/mlruns")),
        *((name, "no such kind of store") for name in ("file:///tmp/mlruns", "file:mlruns", "localhost:5000")),
        *((name, "no such kind of store") for name in ("htp://host", "databricks", "databricks://me", "s3://b/x")),
        *((name, "no such kind of store") for name in ('"sqlite:///mlflow.db"', "'http://host'", "sqlite3:///x.db")),
        ("postgres://host/db", "no such kind of store"),
        *((name, "no host") for name in ("http://", "https:///x", "http://:5000", "http:host", "http://a b")),
        *((name, "of a page") for name in ("http://host/#/experiments/1", "http://host:5000/?x=1")),
        *((name, "port is not a number") for name in ("http://host:abc", "http://host:99999")),
        *(
            (name, "does not name a file on disk")
            for name in ("sqlite:mlflow.db", "sqlite://mlflow.db", "sqlite:/mlflow.db")
        ),
        *((name, "does not name a file on disk") for name in ("sqlite://", "sqlite:///", "sqlite:///:memory:")),
        *((name, "is a folder") for name in ("sqlite:///mlruns", "sqlite:///new/", "sqlite:////tmp")),
        ("sqlite:///~nobody-here/mlflow.db", "write the path in full"),
        ("postgresql+nothing://host/db", "nothing"),
        ("mysql+nothing://host/db", "nothing"),
        ("mssql://host/db", "driver is not installed"),
        ("postgresql", "Could not parse"),
    ],
)
def test_address_that_can_never_work_is_refused_in_a_line(
    here: Path, monkeypatch: pytest.MonkeyPatch, written: str, why: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", written)
    with pytest.raises(TrackingError) as raised:
        uri_of(here)
    message = str(raised.value)
    assert message.startswith(f"MLFLOW_TRACKING_URI: found {written!r}: ")
    assert why in message
    assert "; wanted sqlite:///FILE (a relative FILE is at the repository's root), http://HOST:PORT" in message
    assert "\n" not in message
    with pytest.raises(TrackingError, match=r"^MLFLOW_TRACKING_URI: found "):
        sync(here)


@pytest.mark.parametrize(
    "address", ["http://me:pa55-w0rd@host:x", "postgresql+no://me:pa55-w0rd@host/db", "htp://me:pa55-w0rd@h"]
)
def test_address_that_is_refused_shows_no_password(here: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(TrackingError) as raised:
        uri_of(here)
    assert "pa55" not in str(raised.value)


def test_address_of_the_registry_is_that_of_the_runs(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for same in ("sqlite:///mlflow.db", f"sqlite:///{here}/mlflow.db", ""):
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", same)
        assert local_file(uri_of(here)) == here / "mlflow.db"
    for other, message in [
        ("http://me:pa55-w0rd@host", r"^MLFLOW_REGISTRY_URI: found http://\*\*\*@host, wanted sqlite:.*; unset it$"),
        ("./mlruns", r"^MLFLOW_REGISTRY_URI: found './mlruns': no such kind of store; wanted"),
    ]:
        monkeypatch.setenv("MLFLOW_REGISTRY_URI", other)
        with pytest.raises(TrackingError, match=message):
            uri_of(here)
