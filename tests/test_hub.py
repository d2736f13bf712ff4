"""Files of a hub's repository: the real client against a server on 127.0.0.1."""

import json
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.places import ROOT
from support.servers import COMMIT, Handler, hub_handler, refusing, serve, use_hub

from clue_ner import hub
from clue_ner.common import retry
from clue_ner.common.errors import SourceError

NAME = "org/thing"
FILES = {"config.json": b'{"a": 1}', "sub/model.safetensors": bytes(1000), "pytorch_model.bin": b"not to be downloaded"}
CHOSEN = {name: content for name, content in FILES.items() if not name.endswith(".bin")}


@pytest.fixture(autouse=True)
def heard(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let log lines be captured, which a stage's run may have turned off, and attempts follow without a pause."""
    monkeypatch.setattr(retry, "PAUSE", 0.0)


def choose(names: Collection[str]) -> list[str]:
    return [name for name in names if not name.endswith(".bin")]


def download(revision: str | None = None, kind: str = "model") -> dict[str, bytes]:
    """The content of the files that come, of the only commit there is."""
    commit, files = hub.download(NAME, choose, kind=kind, revision=revision)
    assert commit == COMMIT
    return {name: path.read_bytes() for name, path in files.items()}


@pytest.fixture
def cached(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Handler]]:
    """The handler of a hub that is gone again, after the files were downloaded from there."""
    handler = hub_handler("model", {NAME: FILES})
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        download()
    use_hub(monkeypatch, "http://127.0.0.1:9", str(hub_cache))
    handler.requests.clear()
    yield handler


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_hub_gives_the_chosen_files_at_a_commit(kind: str, hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = hub_handler(kind, {NAME: FILES})
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        assert download(kind=kind) == CHOSEN
    resolved = [request for request in handler.requests if "/resolve/" in request]
    assert {request.rpartition(f"/resolve/{COMMIT}/")[2] for request in resolved} == CHOSEN.keys()


def test_hub_asks_for_the_revision(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = hub_handler("model", {NAME: FILES})
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        assert download("refs/pr/3") == CHOSEN
    assert handler.requests[0] == f"GET /api/models/{NAME}/revision/refs%2Fpr%2F3?blobs=true"
    assert download("refs/pr/3") == CHOSEN  # of the cache, which knows that revision, and no other
    with pytest.raises(SourceError, match="ConnectError"):
        download("refs/pr/4")


def test_hub_uses_its_cache_and_asks_only_what_the_revision_is_now(
    cached: Any, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(cached) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        assert download() == CHOSEN
    assert cached.requests
    assert not [request for request in cached.requests if "/resolve/" in request]


@pytest.mark.parametrize("revision", [None, COMMIT])
def test_hub_out_of_reach_leaves_the_cache_and_says_so(
    revision: str | None, cached: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert download(revision) == CHOSEN
    assert f"using commit {COMMIT} of {NAME} from its cache" in caplog.text


def test_hub_cache_may_lack_what_is_not_chosen(cached: Any, hub_cache: Path) -> None:
    """Another program may have left a list of all files, and downloaded some."""
    (repository,) = hub_cache.glob("models--*")
    listed = {name: {"size": len(content), "blob_id": "0" * 40} for name, content in FILES.items()}
    (repository / "trees").mkdir()
    (repository / f"trees/{COMMIT}.json").write_text(json.dumps({"format_version": 1, "files": listed}))
    assert download() == CHOSEN


def test_hub_offline_asks_nothing(cached: Any, hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve(cached) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        assert download() == CHOSEN
        with pytest.raises(SourceError, match=r"OfflineModeIsEnabled.*HF_HUB_OFFLINE"):
            download("v2")
    assert cached.requests == []


def test_hub_out_of_reach_and_not_cached_is_an_error() -> None:
    with pytest.raises(SourceError, match=r"^http://127\.0\.0\.1:9 did not provide it \(ConnectError: "):
        download()


def test_hub_that_never_answers_is_given_up(cached: Any, hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    silent = type("Silent", (Handler,), {"requests": [], "answer": lambda self: done.wait(60)})
    monkeypatch.setattr(hub, "PATIENCE", 0.2)
    with serve(silent) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        assert download() == CHOSEN
        with pytest.raises(SourceError, match=r"\(\w*Time\w*: "):
            download("v2")
        done.set()


def test_hub_that_never_answers_for_a_revision_is_given_up(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client itself waits for this answer without an end."""
    done = threading.Event()
    base: Any = hub_handler("model", {NAME: FILES})

    class Half(base):  # type: ignore[misc]
        def answer(self) -> None:
            if "blobs=true" in self.path or not done.wait(60):
                super().answer()

    monkeypatch.setattr(hub, "PATIENCE", 0.5)
    with serve(Half) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        with pytest.raises(SourceError, match=r"\(TimeoutError: waited 0 s\)"):
            download()
        done.set()


def test_hub_that_names_no_commit_is_none(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps({"id": NAME, "siblings": [{"rfilename": "config.json"}]}).encode()
    with serve(refusing(200, body)) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        with pytest.raises(SourceError, match="must have a revision sha"):
            download()


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (refusing(404, b"", {"X-Error-Code": "RepoNotFound"}), "RepositoryNotFoundError"),
        (refusing(404, b"", {"X-Error-Code": "RevisionNotFound"}), "RevisionNotFoundError"),
        (refusing(403, b"", {"X-Error-Code": "GatedRepo"}), "GatedRepoError"),
    ],
)
def test_hub_that_refuses_is_not_replaced_by_the_cache(
    handler: type[Handler], message: str, cached: Any, hub_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        with pytest.raises(SourceError, match=rf"\({message}: "):
            download()


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
    handler: type[Handler], cached: Any, hub_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        assert download() == CHOSEN
        use_hub(monkeypatch, url, str(tmp_path / "empty"))
        with pytest.raises(SourceError, match="did not provide it"):
            download()


def test_hub_errors_of_the_choice_are_the_caller_s(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(names: Collection[str]) -> list[str]:
        raise SourceError(f"none of {len(names)} will do")

    handler = hub_handler("model", {NAME: FILES})
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        with pytest.raises(SourceError, match=r"^none of 3 will do$"):
            hub.download(NAME, refuse)
    assert not [request for request in handler.requests if "/resolve/" in request]


def test_hub_secrets_stay_out_of_errors(hub_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "a-token-of-no-known-form")
    body = json.dumps({"error": "no rights for a-token-of-no-known-form or hf_abcdefghijklmnop"}).encode()
    with serve(refusing(401, body)) as url:
        use_hub(monkeypatch, url.replace("//", "//me:pass-word@"), str(hub_cache))
        with pytest.raises(SourceError, match=r"http://\*\*\*@127.0.0.1.* no rights for \*\*\* or \*\*\*\)") as raised:
            download()
    for secret in ("pass-word", "a-token-of", "hf_abc"):
        assert secret not in str(raised.value)


# --- processes of their own


def run(script: str, url: str, home: Path, **variables: str) -> tuple[str, str]:
    """Run the script as a stage with the hub ``url``; what it wrote to stdout and stderr."""
    environment = {"PYTHONPATH": str(ROOT / "src"), "HF_ENDPOINT": url, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1"}
    lines = ["from clue_ner import hub", "from clue_ner.common import stage", script]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout, done.stderr


def test_hub_client_takes_the_environment(tmp_path: Path) -> None:
    base: Any = hub_handler("model", {NAME: FILES})

    class Private(base):  # type: ignore[misc]
        def answer(self) -> None:
            if self.headers.get("Authorization") == "Bearer a-token":
                super().answer()
            else:
                self.send(401, b"", {"X-Error-Code": "RepoNotFound"})

    script = f"stage.run(lambda root: print(hub.download({NAME!r}, list)[0]))"
    with serve(Private) as url:
        assert run(script, url, tmp_path, HF_TOKEN="a-token")[0] == f"{COMMIT}\n"
        assert "RepositoryNotFoundError" in run(script, url, tmp_path / "other", HF_TOKEN="another")[1]
    assert (tmp_path / "hub").is_dir()
    assert run(script, url, tmp_path, HF_HUB_OFFLINE="1")[0] == f"{COMMIT}\n"


def test_hub_names_a_proxy_that_cannot_be_used(tmp_path: Path) -> None:
    script = f"stage.run(lambda root: print(hub.download({NAME!r}, list)[0]))"
    error = run(script, "http://127.0.0.1:9", tmp_path, ALL_PROXY="socks5://me:pass-word@127.0.0.1:7890")[1]
    assert (
        "error: http://127.0.0.1:9 did not provide it (the proxy of the environment cannot be used (ALL_PROXY=" in error
    )
    assert "pass-word" not in error


def test_hub_client_logs_no_secret(tmp_path: Path) -> None:
    base: Any = hub_handler("model", {NAME: {"config.json": b"{}"}})

    class OnceBroken(base):  # type: ignore[misc]
        broken = False

        def send_file(self, name: str, content: bytes) -> None:
            if self.command == "HEAD" or OnceBroken.broken:
                return super().send_file(name, content)
            OnceBroken.broken = self.close_connection = True  # whereupon the client logs the address
            return None

    script = f"stage.run(lambda root: print(hub.download({NAME!r}, list)[0]))"
    with serve(OnceBroken) as url:
        said = run(script, url.replace("//", "//me:pass-word@"), tmp_path, HF_TOKEN="a-token")
    assert said[0] == f"{COMMIT}\n"
    assert f"Error while downloading from {url.replace('//', '//***@')}" in said[1]
    for secret in ("pass-word", "a-token"):
        assert secret not in "".join(said)


def test_hub_download_that_is_given_up_lets_the_process_end(tmp_path: Path) -> None:
    done = threading.Event()
    base: Any = hub_handler("model", {NAME: {"config.json": bytes(1000)}})

    class Dripping(base):  # type: ignore[misc]
        def send_file(self, name: str, content: bytes) -> None:
            if self.command == "HEAD":
                return super().send_file(name, content)
            self.send(200, b"", {"Content-Length": "1000"})
            while not done.wait(0.1):
                self.wfile.write(b"x")
            return None

    script = f"hub.SLACK = 0.5\nstage.run(lambda root: hub.download({NAME!r}, list))"
    with serve(Dripping) as url:
        _, errors = run(script, url, tmp_path)
        done.set()
    assert errors.startswith(f"error: {url} did not provide it (TimeoutError: config.json was not downloaded within")
