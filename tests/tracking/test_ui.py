"""Where MLflow's UI is: the printed addresses answer, a server that is there is not started twice."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import pytest
from support.mlflow_servers import server
from support.tracking_repository import (
    PROJECT,
    begin,
    client,
    free_port,
    local_client,
    own_store,  # noqa: F401
    ready_store,  # noqa: F401
    training,
)

from clue_ner.common.errors import TrackingError
from clue_ner.tracking import record_training, ui, view
from clue_ner.tracking.store import connect

PAGE = re.compile(r"(http://127\.0\.0\.1:\d+)/#/experiments/(\d+)/runs\?workflowType=machine_learning(?:&(.*))?")


def trained(root: Path, name: str, experiment: str = "clue-ner") -> None:
    journal = begin(root, name)
    journal.path.write_text(
        journal.path.read_text().replace('"experiment": "clue-ner"', f'"experiment": "{experiment}"')
    )
    record_training(root, journal.fingerprint, training(), [])


def answers(address: str) -> None:
    """The page is there, and so is the view that its address names."""
    match = PAGE.fullmatch(address)
    assert match is not None, address
    base, experiment, key = match.groups()
    with urllib.request.urlopen(base, timeout=20) as page:
        assert b"<title>MLflow</title>" in page.read()
    tags = client(base).get_experiment(experiment).tags
    assert json.loads(tags[view.TAG + key.removeprefix("viewStateShareKey=")])["name"] == "clue-ner: sample"


@contextlib.contextmanager
def serving(root: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """``clue-ner ui``, and what it said until it serves."""
    process = subprocess.Popen(
        [sys.executable, "-m", "clue_ner.cli.main", "ui", *options],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(PROJECT / "src"), "DVC_ROOT": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said: Queue[str] = Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.put(line.rstrip("\n"))

    threading.Thread(target=read, daemon=True).start()
    try:
        lines = [said.get(timeout=120)]
        while "Ctrl-C" not in lines[-1]:
            lines.append(said.get(timeout=120))
        yield process, lines
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_ui_serves_the_store_says_where_and_ends_with_its_server(tmp_path: Path) -> None:
    for name, experiment in (("a", "older"), ("b", "clue-ner")):
        trained(tmp_path, name, experiment)
    local_client(tmp_path).create_experiment("somebody else's")
    port = free_port()
    with serving(tmp_path, "--port", str(port)) as (process, lines):
        first, newest, older, last = lines
        assert first == f"MLflow at sqlite:///{tmp_path}/mlflow.db"
        assert newest.startswith(f"clue-ner: http://127.0.0.1:{port}/#/")
        assert older.startswith("older: ")
        assert last == "Ctrl-C ends it"
        for line in (newest, older):
            answers(line.partition(": ")[2])
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        pass


def test_ui_of_a_server_is_the_server_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    with server(tmp_path, port):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
        trained(tmp_path / "clone", "a")
        said: list[str] = []
        ui.show(tmp_path / "clone", None, said.append)
        first, address = said
        assert first == f"MLflow at http://127.0.0.1:{port}"
        answers(address.removeprefix("clue-ner: "))


def test_ui_addresses_of_an_earlier_release_get_the_view(tmp_path: Path) -> None:
    trained(tmp_path, "a")
    store = connect(tmp_path)
    experiment = store.client.create_experiment("old")
    store.client.create_run(experiment, tags={"clue_ner.corpus": "own"}, start_time=1)
    run = store.client.create_run(experiment, tags={"clue_ner.corpus": "own"}, start_time=2)
    store.client.log_metric(run.info.run_id, "test/micro_f1.name", 0.5)
    names = [name for name, _ in ui.addresses(store, "http://h")]
    assert names == ["clue-ner", "old"]
    (tag,) = (key for key in store.client.get_experiment(experiment).tags if key.startswith(view.TAG))
    assert tag == view.TAG + view.key_of(view.state(["test/micro_f1.name"]))


def test_ui_of_an_empty_store_says_what_makes_a_run(tmp_path: Path) -> None:
    said: list[str] = []
    ui._say(connect(tmp_path), "http://127.0.0.1:5000", said.append)
    assert said[1:] == ["http://127.0.0.1:5000, without a run yet: `make demo` or `dvc repro` makes one"]


def test_ui_takes_the_next_port_unless_one_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(TrackingError, match=f"^port {port} of 127.0.0.1: Address already in use; "):
            ui._free_port(port)
        monkeypatch.setattr(ui, "PORT", port)
        assert ui._free_port(None) > port
        monkeypatch.setattr(ui, "PORTS", 1)
        with pytest.raises(TrackingError, match=f"none of the ports {port} to {port} is free"):
            ui._free_port(None)


def test_ui_server_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_STATIC_PREFIX", "wrong/")
    with pytest.raises(
        TrackingError, match=r"MLflow's server did not start: .*--static-prefix.* \(.*ui\.log has the rest\)"
    ):
        ui.show(tmp_path, free_port(), print)


@pytest.mark.parametrize("uri", [None, "http"])
def test_ui_announce_says_how_to_get_to_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, uri: str | None
) -> None:
    port = free_port()
    with server(tmp_path, port) if uri else contextlib.nullcontext(), caplog.at_level("INFO", logger="clue_ner"):
        if uri:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://ann:secret@127.0.0.1:{port}")
        trained(tmp_path, "a")
        ui.announce(tmp_path, "clue-ner")
        message = caplog.messages[-1]
        before, _, address = message.rpartition(" ")
        if uri:
            assert before == "the run in MLflow:"
            answers(address)
        else:
            assert before == "the run in MLflow: `make ui`, then"
            assert PAGE.fullmatch(address)
        assert "viewStateShareKey=clue-ner-" in address


def test_ui_announce_without_a_store_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    ui.announce(tmp_path, "clue-ner")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    ui.announce(tmp_path, "no such experiment")
    assert caplog.messages == []
