"""Backbones from a hub: the real client against a server on 127.0.0.1."""

import hashlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.places import ROOT
from support.servers import COMMIT, Handler, hub_handler, serve, use_hub
from test_backbones_folder import FILES, tiny_bert
from transformers import BertModel

from clue_ner.backbones import fetch_backbone, hub
from clue_ner.common.errors import BackboneError, SourceError
from clue_ner.core.files import sha256
from clue_ner.core.params import BackboneParams

NAME = "org/tiny-bert"
WAYS_OUT = r"HF_TOKEN.* HF_ENDPOINT.*backbone.name: \./FOLDER.*backbone.name: e5-small, which needs no hub$"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model as hubs have it: with a card and with its weights in other formats too."""
    folder = tiny_bert(tmp_path / "model")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Tiny\n", encoding="utf-8")
    for other in ("pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "modeling_tiny.py"):
        (folder / other).write_bytes(b"not to be downloaded")
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub client, which for now knows a hub that is not there."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    use_hub(monkeypatch, "http://127.0.0.1:9", str(tmp_path / "cache"))
    return tmp_path / "cache"


def hub_of(model: Path, **options: int) -> type[Handler]:
    """A hub with the one model, which names large files by their SHA-256 as the real one does."""

    base: Any = hub_handler("model", {NAME: {path.name: path.read_bytes() for path in model.iterdir()}}, **options)

    class Hub(base):  # type: ignore[misc]
        def send(self, status: int, body: bytes = b"", headers: Any = None) -> None:
            if "/resolve/" in self.path and ".safetensors" in self.path and status == 200:
                headers = {**headers, "ETag": f'"{hashlib.sha256(body).hexdigest()}"'}
            super().send(status, body, headers)

    return Hub


def refusing(status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> type[Handler]:
    """A server that answers every question in one way."""

    def answer(self: Handler) -> None:
        self.send(status, body, headers)

    return type("Refusing", (Handler,), {"requests": [], "answer": answer})


def fetch(target: Path, revision: str | None = None) -> dict[str, str]:
    target.mkdir()
    return fetch_backbone(BackboneParams(name=NAME, revision=revision), target)


@pytest.fixture
def cached(model: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """The backbone's files, after it was downloaded from a hub that is gone again."""
    with serve(hub_of(model)) as url:
        use_hub(monkeypatch, url, str(cache))
        fetch(tmp_path / "first")
    yield contents(tmp_path / "first")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_hub_gives_what_the_folder_gives(
    model: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = hub_of(model)
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(cache))
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


def test_hub_asks_for_the_revision(model: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = hub_of(model)
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(cache))
        assert fetch(tmp_path / "out", "refs/pr/3")["revision"] == COMMIT
    assert handler.requests[0] == f"GET /api/models/{NAME}/revision/refs%2Fpr%2F3?blobs=true"


def test_hub_joins_shards(model: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    BertModel.from_pretrained(model).save_pretrained(model, max_shard_size="4KB")
    (model / "model.safetensors").unlink()
    with serve(hub_of(model)) as url:
        use_hub(monkeypatch, url, str(cache))
        fetch(tmp_path / "out")
    assert sorted(contents(tmp_path / "out")) == FILES


def test_hub_uses_its_cache_and_asks_only_what_the_revision_is_now(
    model: Path, tmp_path: Path, cache: Path, cached: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = hub_of(model)
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(cache))
        fetch(tmp_path / "second")
    assert contents(tmp_path / "second") == cached
    assert handler.requests
    assert not [request for request in handler.requests if "/resolve/" in request]


def test_hub_out_of_reach_leaves_the_cache_and_says_so(
    tmp_path: Path, cached: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(logging.getLogger("clue_ner"), "propagate", True)  # a stage's run may have turned it off
    assert fetch(tmp_path / "second")["revision"] == COMMIT
    assert contents(tmp_path / "second") == cached
    assert f"taking commit {COMMIT} of {NAME} from its cache" in caplog.text


def test_hub_offline_asks_nothing(
    model: Path, tmp_path: Path, cache: Path, cached: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = hub_of(model)
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(cache))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        fetch(tmp_path / "second")
        with pytest.raises(SourceError, match=rf"revision v2: .*OfflineModeIsEnabled.*{WAYS_OUT}"):
            fetch(tmp_path / "third", "v2")
    assert contents(tmp_path / "second") == cached
    assert handler.requests == []


def test_hub_out_of_reach_and_not_cached_names_the_ways_out(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(SourceError, match=rf"backbone {NAME}, revision main: .*ConnectError.*{WAYS_OUT}"):
        fetch(tmp_path / "out")
    assert contents(tmp_path / "out") == {}


def test_hub_that_never_answers_is_given_up(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()

    silent = type("Silent", (Handler,), {"requests": [], "answer": lambda self: done.wait(60)})
    monkeypatch.setattr(hub, "PATIENCE", 0.2)
    with serve(silent) as url:
        use_hub(monkeypatch, url, str(cache))
        with pytest.raises(SourceError, match=rf"\(\w*Time\w*.*{WAYS_OUT}"):
            fetch(tmp_path / "out")
        done.set()


def test_hub_that_names_no_commit_is_none(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [{"rfilename": "config.json"}, {"rfilename": "model.safetensors"}, {"rfilename": "tokenizer.json"}]
    with serve(refusing(200, json.dumps({"id": NAME, "siblings": files}).encode())) as url:
        use_hub(monkeypatch, url, str(cache))
        with pytest.raises(SourceError, match=rf"must have a revision sha.*{WAYS_OUT}"):
            fetch(tmp_path / "out")


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (refusing(404, b"", {"X-Error-Code": "RepoNotFound"}), "RepositoryNotFoundError"),
        (refusing(404, b"", {"X-Error-Code": "RevisionNotFound"}), "RevisionNotFoundError"),
        (refusing(403, b"", {"X-Error-Code": "GatedRepo"}), "GatedRepoError"),
    ],
)
def test_hub_that_refuses_is_not_replaced_by_the_cache(
    tmp_path: Path,
    cache: Path,
    cached: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    handler: type[Handler],
    message: str,
) -> None:
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(cache))
        with pytest.raises(SourceError, match=rf"\({message}.*{WAYS_OUT}"):
            fetch(tmp_path / "second")


@pytest.mark.parametrize(
    "handler",
    [
        refusing(503),
        refusing(200, b"<html>sign in to this network</html>", {"Content-Type": "text/html"}),
        refusing(200, b'{"error": "no hub here"}'),
        refusing(200, b"[]"),
    ],
)
def test_hub_that_is_none_today_is_replaced_by_the_cache_or_an_error(
    tmp_path: Path, cache: Path, cached: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, handler: type[Handler]
) -> None:
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(cache))
        fetch(tmp_path / "second")
        use_hub(monkeypatch, url, str(tmp_path / "empty"))
        with pytest.raises(SourceError, match=WAYS_OUT):
            fetch(tmp_path / "third")
    assert contents(tmp_path / "second") == cached


def test_hub_model_with_pickled_weights_only_is_not_downloaded(
    model: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (model / "model.safetensors").unlink()
    handler = hub_of(model)
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(cache))
        with pytest.raises(BackboneError, match=r"no model.safetensors; .* pytorch_model.bin is a pickle.*refs/pr/N"):
            fetch(tmp_path / "out")
    assert not [request for request in handler.requests if "/resolve/" in request]


def test_hub_model_with_code_of_its_own_is_refused(
    model: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    config["auto_map"] = {"AutoModel": "modeling_tiny.Tiny"}
    (model / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with serve(hub_of(model)) as url:
        use_hub(monkeypatch, url, str(cache))
        with pytest.raises(BackboneError, match=rf"backbone {NAME}: config.json has auto_map"):
            fetch(tmp_path / "out")


def test_hub_names_the_damaged_file_of_its_cache(tmp_path: Path, cache: Path, cached: dict[str, bytes]) -> None:
    (weights,) = cache.glob("**/model.safetensors")
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(BackboneError, match=rf"blobs/{weights.readlink().name}: damaged .*delete the file and run"):
        fetch(tmp_path / "second")


def test_hub_download_that_breaks_off_is_no_backbone(
    model: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between the client's attempts
    with serve(hub_of(model, cut=5)) as url:
        use_hub(monkeypatch, url, str(cache))
        with pytest.raises(SourceError, match=WAYS_OUT):
            fetch(tmp_path / "out")
    assert contents(tmp_path / "out") == {}


def test_hub_secrets_stay_out_of_errors_and_logs(
    tmp_path: Path, cache: Path, cached: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, capsys: Any, caplog: Any
) -> None:
    monkeypatch.setenv("HF_TOKEN", "a-token-of-no-known-form")
    body = json.dumps({"error": "no rights for a-token-of-no-known-form or hf_abcdefghijklmnop"}).encode()
    with serve(refusing(401, body)) as url:
        use_hub(monkeypatch, url.replace("//", "//me:pass-word@"), str(cache))
        with pytest.raises(SourceError, match=r"http://\*\*\*@127.0.0.1.* no rights for \*\*\* or \*\*\*\)") as raised:
            fetch(tmp_path / "out")
    with hub._secrets_kept():
        logging.getLogger("huggingface_hub.utils._http").warning("%s requested", url.replace("//", "//me:pass-word@"))
    text = f"{raised.value} {caplog.text} {capsys.readouterr().err}"
    for secret in ("pass-word", "a-token-of", "hf_abc"):
        assert secret not in text


def test_hub_stage_takes_the_environment_and_records_no_secret(model: Path, tmp_path: Path) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["train"]["lr"] = 2e-4
    params["backbone"] = {"name": NAME, "revision": None}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    with serve(hub_of(model)) as url:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "HF_ENDPOINT": url.replace("//", "//me:pass-word@"),
            "HF_TOKEN": "a-token",
            "HF_HOME": str(tmp_path / "home"),
            "NO_PROXY": "127.0.0.1",
        }
        done = subprocess.run(
            [sys.executable, ROOT / "stages/backbone.py"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    source = (tmp_path / "data/backbone/source.json").read_text(encoding="utf-8")
    assert json.loads(source)["revision"] == COMMIT
    assert (tmp_path / "home/hub").is_dir()
    for secret in ("pass-word", "a-token"):
        assert secret not in source + done.stdout + done.stderr
