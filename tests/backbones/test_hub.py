"""Backbones from a hub: the real client against a server on 127.0.0.1."""

import hashlib
import json
import runpy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.bert_folders import FILES, contents, tiny_bert
from support.hub_models import NAME, fetch
from support.places import ROOT
from support.servers import COMMIT, Handler, hub_handler, serve, use_hub
from transformers import BertModel

from clue_ner.backbones import fetch_backbone
from clue_ner.common.errors import BackboneError, SourceError
from clue_ner.common.files import sha256
from clue_ner.core.params import BackboneParams

WAYS_OUT = r"HF_TOKEN.* HF_ENDPOINT.*backbone.name: \./FOLDER.*backbone.name: e5-small, which needs no hub$"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model as hubs have it: with a card and with its weights in other formats too."""
    folder = tiny_bert(tmp_path / "model")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Tiny\n", encoding="utf-8")
    for other in ("pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "modeling_tiny.py"):
        (folder / other).write_bytes(b"not to be downloaded")
    return folder


def hub_of(model: Path, **options: int) -> type[Handler]:
    """A hub with the one model."""
    return hub_handler("model", {NAME: contents(model)}, **options)


@pytest.fixture
def cached(model: Path, tmp_path: Path, hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """The backbone's files, after it was downloaded from a hub that is gone again."""
    with serve(hub_of(model)) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        fetch(tmp_path / "first")
    yield contents(tmp_path / "first")


def test_hub_gives_what_the_folder_gives(
    model: Path, tmp_path: Path, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = hub_of(model)
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        source = fetch(tmp_path / "out")
    assert source == {
        "kind": "hub",
        "name": NAME,
        "revision": COMMIT,
        "sha256": sha256(model / "model.safetensors"),
        "licence": "mit",
    }
    (tmp_path / "folder").mkdir()
    fetch_backbone(BackboneParams(name=str(model), revision=None), tmp_path / "folder")
    assert contents(tmp_path / "out") == contents(tmp_path / "folder")
    assert sorted(contents(tmp_path / "out")) == FILES
    asked = {request.rpartition("/")[2] for request in handler.requests if "/resolve/" in request}
    assert asked == {"config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json", "README.md"}
    assert all(f"/resolve/{COMMIT}/" in request or "/api/" in request for request in handler.requests)


def test_hub_asks_for_the_revision(
    model: Path, tmp_path: Path, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = hub_of(model)
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        assert fetch(tmp_path / "out", "refs/pr/3")["revision"] == COMMIT
    assert handler.requests[0] == f"GET /api/models/{NAME}/revision/refs%2Fpr%2F3?blobs=true"


def test_hub_joins_shards(model: Path, tmp_path: Path, hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    BertModel.from_pretrained(model).save_pretrained(model, max_shard_size="4KB")
    (model / "model.safetensors").unlink()
    with serve(hub_of(model)) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        fetch(tmp_path / "out")
    assert sorted(contents(tmp_path / "out")) == FILES


def test_hub_out_of_reach_leaves_the_cache(tmp_path: Path, cached: dict[str, bytes]) -> None:
    assert fetch(tmp_path / "second")["revision"] == COMMIT
    assert contents(tmp_path / "second") == cached


@pytest.mark.parametrize(("revision", "named"), [(None, "main"), ("v2", "v2")])
def test_hub_out_of_reach_and_not_cached_names_the_ways_out(
    revision: str | None, named: str, tmp_path: Path, hub_cache: Path
) -> None:
    with pytest.raises(SourceError, match=rf"^backbone {NAME}, revision {named}: .*ConnectError.*{WAYS_OUT}"):
        fetch(tmp_path / "out", revision)
    assert contents(tmp_path / "out") == {}


def test_hub_model_with_pickled_weights_only_is_not_downloaded(
    model: Path, tmp_path: Path, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (model / "model.safetensors").unlink()
    handler = hub_of(model)
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        with pytest.raises(BackboneError, match=r"no model.safetensors; .* pytorch_model.bin is a pickle.*refs/pr/N"):
            fetch(tmp_path / "out")
    assert not [request for request in handler.requests if "/resolve/" in request]


def test_hub_model_with_code_of_its_own_is_refused(
    model: Path, tmp_path: Path, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    config["auto_map"] = {"AutoModel": "modeling_tiny.Tiny"}
    (model / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with serve(hub_of(model)) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        with pytest.raises(BackboneError, match=rf"backbone {NAME}: config.json has auto_map"):
            fetch(tmp_path / "out")


@pytest.mark.parametrize(("name", "kind"), [("model.safetensors", "sha256"), ("vocab.txt", "git's id")])
def test_hub_names_the_damaged_file_of_its_cache(
    name: str, kind: str, tmp_path: Path, hub_cache: Path, cached: dict[str, bytes]
) -> None:
    (path,) = hub_cache.glob(f"**/{name}")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    message = rf"blobs/{path.readlink().name}: damaged \({kind} [0-9a-f]{{12}}…, wanted .*delete the file and run"
    with pytest.raises(BackboneError, match=message):
        fetch(tmp_path / "second")


@pytest.mark.parametrize("algorithm", ["sha1", "md5"])
def test_hub_may_be_a_mirror_with_other_names_for_files(
    algorithm: str, model: Path, tmp_path: Path, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler: Any = hub_of(model)
    handler.etag = lambda self, name, content: hashlib.new(algorithm, content).hexdigest()
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        assert fetch(tmp_path / "out")["revision"] == COMMIT


def test_hub_download_that_breaks_off_is_no_backbone(
    model: Path, tmp_path: Path, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between the client's attempts
    with serve(hub_of(model, cut=5)) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        with pytest.raises(SourceError, match=WAYS_OUT):
            fetch(tmp_path / "out")
    assert contents(tmp_path / "out") == {}


def test_hub_stage_records_the_commit_and_no_secret(
    model: Path, tmp_path: Path, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["train"]["lr"] = 2e-4
    params["backbone"] = {"name": NAME, "revision": None}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    monkeypatch.setenv("HF_TOKEN", "a-token")
    with serve(hub_of(model)) as url:
        use_hub(monkeypatch, url.replace("//", "//me:pass-word@"), str(hub_cache))
        runpy.run_path(str(ROOT / "stages/backbone.py"))["main"](tmp_path)
    source = (tmp_path / "data/backbone/source.json").read_text(encoding="utf-8")
    assert json.loads(source)["revision"] == COMMIT
    for secret in ("pass-word", "a-token"):
        assert secret not in source
