"""The backbone stage: params.yaml in, data/backbone/ out, whole or not at all."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.bert_folders import FILES, tiny_bert
from support.places import ROOT

from clue_ner.common.errors import BackboneError
from clue_ner.common.files import CHECKSUMS, sha256, verify_checksums

STAGE = ROOT / "stages/backbone.py"
main = runpy.run_path(str(STAGE))["main"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pipeline's root whose backbone is the folder ``model`` there."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["backbone"] = {"name": "./model", "revision": None}
    params["train"]["lr"] = 2e-4
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    tiny_bert(tmp_path / "model")
    return tmp_path


def test_backbone_stage_writes_weights_source_and_checksums(root: Path) -> None:
    main(root)
    folder = root / "data/backbone"
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "source.json", CHECKSUMS])
    verify_checksums(folder, "never")
    source = json.loads((folder / "source.json").read_text(encoding="utf-8"))
    assert source == {
        "kind": "folder",
        "name": "./model",
        "revision": "local",
        "sha256": sha256(root / "model/model.safetensors"),
        "licence": "unknown",
        "files": {name: sha256(folder / name) for name in FILES},
    }


def test_backbone_stage_gives_the_same_bytes_again(root: Path) -> None:
    main(root)
    first = {path.name: path.read_bytes() for path in (root / "data/backbone").iterdir()}
    main(root)
    assert {path.name: path.read_bytes() for path in (root / "data/backbone").iterdir()} == first


def test_backbone_stage_leaves_nothing_half_written(root: Path) -> None:
    with (root / "model/model.safetensors").open("r+b") as stream:
        stream.truncate(200)
    with pytest.raises(BackboneError, match="truncated or damaged"):
        main(root)
    assert list((root / "data").iterdir()) == []


def test_backbone_stage_says_what_is_wrong_in_one_line_and_fails(root: Path) -> None:
    (root / "model/config.json").unlink()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, STAGE], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: backbone ./model (")
    assert "Traceback" not in done.stderr
