"""Tokens and passwords of the environment stay out of all that is said and written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.changed_params import write_params
from support.commands import run
from support.places import ROOT
from support.secrets import ENVIRONMENT, PASSWORD, TOKEN, assert_kept
from support.tracking_repository import begin, local_client, own_store, points, runs  # noqa: F401

from clue_ner.common.errors import ParamsError
from clue_ner.common.redaction import redact
from clue_ner.core.params import load_params
from clue_ner.tracking import push


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    "text",
    [
        *ENVIRONMENT.values(),
        "403 for pass@word-1",
        "Authorization: Basic bWU6cGFzc0B3b3JkLTE=",
        f"Bearer {TOKEN}",
        "https://b.org/a?x=1&X-Amz-Signature=query-secret&y=2",
    ],
)
def test_secrets_are_redacted_in_every_form(text: str, secrets: None) -> None:
    shown = redact(f"it said {text}, twice: {text}")
    assert_kept(shown)
    assert shown.startswith("it said") and "***" in shown and ", twice: " in shown


def test_secrets_short_words_are_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "train")
    monkeypatch.setenv("PROXY", "http://me:x@127.0.0.1")
    assert redact("train x of train") == "train x of train"


CRASH = """
import logging, subprocess, sys, threading
from clue_ner.common.stage import run
def main(root):
    import os
    value = " ".join(os.environ[name] for name in sys.argv[1:])
    print("out", value)
    print("error", value, file=sys.stderr)
    logging.getLogger("clue_ner").warning("log %s", value)
    logging.getLogger("other").warning("log %s", value)
    thread = threading.Thread(target=lambda: exec("raise RuntimeError(value)", {"value": value}))
    thread.start()
    thread.join()
    try:
        raise ValueError(value)
    except ValueError as error:
        raise RuntimeError(f"because of {value}") from error
run(main)
"""


def fails(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Python in ``folder`` with secrets in its environment, which ends with status 1."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **ENVIRONMENT, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    return done


def test_secrets_stay_out_of_a_stages_output_and_traceback(tmp_path: Path) -> None:
    done = fails(tmp_path, "-c", CRASH, *ENVIRONMENT)
    assert done.stderr.count("Traceback") == 3
    for said in ("error http", "log ", "ValueError: ", "because of "):
        assert said in done.stderr or said == "error http"
    assert done.stdout.startswith("out *** http://***@127.0.0.1:9")
    assert_kept(done.stdout + done.stderr)


@pytest.mark.parametrize("stage", ["download", "backbone"])
def test_secrets_stay_out_of_a_stage_that_fails(stage: str, tmp_path: Path) -> None:
    write_params(tmp_path, corpus={"name": "cluener", "path": None}, backbone={"name": "org/model", "revision": None})
    done = fails(tmp_path, str(ROOT / "stages" / f"{stage}.py"))
    assert "error: " in done.stderr and "http://***@127.0.0.1:9" in done.stderr
    assert_kept(done.stdout + done.stderr)


def test_secrets_stay_out_of_the_command_line(tmp_path: Path, secrets: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    result = run("tag", "--model", "models:/clue-ner@champion", "-")
    assert result.exit_code == 1
    assert "http://***@127.0.0.1:9" in result.stderr
    assert_kept(result.stdout + result.stderr)


def test_secrets_stay_out_of_the_journal_and_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    journal = begin(tmp_path, "one", note=f"https://me:{PASSWORD}@hub/a")
    journal.artifact("note.txt", f"HF_TOKEN={TOKEN}")
    journal.end()
    assert push(tmp_path, journal.fingerprint)
    (found,) = runs(local_client(tmp_path))
    assert found.data.params["train.note"] == "https://***@hub/a"
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "note.txt" and "mlartifacts" in path.parts for path in written)
    for path in written:
        assert_kept(path.read_bytes().decode("utf-8", "replace"))


def test_secrets_in_params_are_refused_and_not_shown(tmp_path: Path) -> None:
    write_params(tmp_path, backbone={"name": f"https://me:{PASSWORD}@hub/a", "revision": None})
    with pytest.raises(ParamsError, match=r"backbone\.name: .*password or token") as caught:
        load_params(tmp_path / "params.yaml")
    assert_kept(str(caught.value))
    path = tmp_path / "params.yaml"
    path.write_text(json.dumps({"seed": f"https://me:{PASSWORD}@hub/a"}))
    with pytest.raises(ParamsError, match=r"seed: .*found 'https://\*\*\*@hub/a'") as caught:
        load_params(path)
