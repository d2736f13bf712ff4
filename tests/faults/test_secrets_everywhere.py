"""The pipeline with passwords in all addresses and tokens in the environment: afterwards no file or line has any."""

from pathlib import Path
from typing import Any

import pytest
from support import tiny_backbones
from support.clones import STAGES, make_clone
from support.mlflow_servers import server
from support.secrets import ENVIRONMENT, PASSWORD, assert_kept
from support.servers import hub_handler, serve
from support.tracking_repository import client, free_port, runs

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]
NAME = "org/tiny-unigram"


def test_secrets_are_nowhere_after_a_whole_run(tmp_path: Path, fault: Any) -> None:
    fault("secrets in addresses and environment")
    files = {path.name: path.read_bytes() for path in tiny_backbones.unigram(tmp_path / "backbone").iterdir()}
    store, port = tmp_path / "store", free_port()
    store.mkdir()
    clone = make_clone(tmp_path / "clone", backbone={"name": NAME, "revision": None})
    with serve(hub_handler("model", {NAME: files})) as url, server(store, port):
        login = f"http://me:{PASSWORD}@127.0.0.1"
        clone.environment |= ENVIRONMENT | {
            "HF_ENDPOINT": f"{login}:{url.rpartition(':')[2]}",
            "HF_HOME": str(tmp_path / "hub"),
            "MLFLOW_TRACKING_URI": f"{login}:{port}",
            "NO_PROXY": "127.0.0.1",
        }
        said = clone.run("dvc", "repro")
        assert clone.stages_run(said) == STAGES
        for command in (["clue-ner", "sync"], ["clue-ner", "show", "--model", "models:/clue-ner@champion", "李雷"]):
            assert_kept(clone.run(*command))
        clone.run("clue-ner", "verify", ok=None)
        assert_kept(said + clone.said())
        (run,) = runs(client(f"http://127.0.0.1:{port}"))
    assert run.info.status == "FINISHED"
    looked_at = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert {"mlflow.db", "README.md", "tagger.json", "params.yaml"} <= {path.name for path in looked_at}
    for path in looked_at:
        assert_kept(path.read_bytes().decode("utf-8", "replace"))
