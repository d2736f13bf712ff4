"""A registered version of a tagger with graphs, and MLflow's server of it."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from clue_ner.tagger.tagger import Tagger
from clue_ner.tracking import pyfunc_model, register
from support.graphs import write_graphs
from support.tiny import tiny_tagger_folder
from support.tracking_repository import free_port, put_empty_store, tracking_params

SECONDS = 120


def register_export(root: Path, onnx: bool = False) -> Path:
    """Register a tiny tagger as the first version in a new store in ``root``; its models/export with both graphs."""
    export = root / "models" / "export"
    write_graphs(Tagger.load(tiny_tagger_folder(export / "tagger", "softmax"), "torch"), export)
    pyfunc_model.describe(export, {name: {"ok": True} for name in ("onnx", "int8")}, onnx)
    put_empty_store(root)
    assert register(root, export, tracking_params()) is not None
    return export


@contextlib.contextmanager
def scoring_server(root: Path, uri: str, **variables: str) -> Iterator[str]:
    """``mlflow models serve`` of ``uri`` in the store of ``root``; the address where it answers."""
    port, log = free_port(), root / "serve.log"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", uri, "-h", "127.0.0.1", "-p", str(port)]
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{root / 'mlflow.db'}", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "--env-manager", "local", "--workers", "1"],
            env=os.environ | store | variables,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        end = time.monotonic() + SECONDS
        while True:
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"the server did not come up:\n{log.read_text()[-3000:]}")
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(process.pid, 9)
        process.wait()
