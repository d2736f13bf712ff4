"""Real servers on 127.0.0.1 for tests of what goes over the network: files, an archive, a Hugging Face hub."""

import base64
import contextlib
import hashlib
import json
import sys
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import unquote

import pytest

COMMIT = "c0ffee" + "0" * 34
"""The commit of the main branch of a HubHandler's repositories."""
CONVERTED = "refs/convert/parquet"
"""The branch on which a hub keeps data sets that it has converted."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that went away; what else goes wrong in a handler is printed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextlib.contextmanager
def serve(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve with ``handler`` on a free port; gives the URL, without a slash at the end."""
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    """Answers HEAD and GET alike; keeps the requests, as ``METHOD PATH``, in ``requests`` of its class."""

    requests: ClassVar[list[str]]

    def do_GET(self) -> None:
        self.requests.append(f"{self.command} {self.path}")
        self.answer()

    do_HEAD = do_GET

    def answer(self) -> None:
        raise NotImplementedError

    def send(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """Send a whole answer; ``headers`` override, a body is left out for HEAD."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def file_handler(files: Mapping[str, bytes], *, cut: int = 0, login: str | None = None) -> type[Handler]:
    """Serves ``{"/path": content}``; ``cut`` bytes short of what it announces; ``login`` is ``user:password``."""

    class FileHandler(Handler):
        requests: ClassVar[list[str]] = []

        def answer(self) -> None:
            wanted = None if login is None else "Basic " + _base64(login)
            if wanted != self.headers.get("Authorization"):
                return self.send(401)
            if self.path not in files:
                return self.send(404, b"<html>not found</html>")
            content = files[self.path]
            return self.send(200, content[: len(content) - cut], {"Content-Length": str(len(content))})

    return FileHandler


def hub_handler(
    repo_type: str,
    repos: Mapping[str, Mapping[str, bytes]],
    *,
    cut: int = 0,
    converted: Mapping[str, Mapping[str, bytes]] | None = None,
) -> type[Handler]:
    """A hub with ``{repo_id: {file name: content}}`` of one ``repo_type``, ``model`` or ``dataset``.

    As on the real one, an ETag is the SHA-256 of a large file (here by its suffix), and git's id of a small one.
    ``converted`` has the files of the branch ``CONVERTED``, whose commit is ``COMMIT`` reversed.
    """
    prefix = "" if repo_type == "model" else f"{repo_type}s/"

    class HubHandler(Handler):
        requests: ClassVar[list[str]] = []

        def answer(self) -> None:
            path = self.path.partition("?")[0]
            for repo_id, files in repos.items():
                api = f"/api/{repo_type}s/{repo_id}"
                branches = {COMMIT: files, COMMIT[::-1]: (converted or {}).get(repo_id)}
                if path == api or path.startswith(f"{api}/revision/"):
                    commit = COMMIT[::-1] if unquote(path).endswith(CONVERTED) else COMMIT
                    there = branches[commit]
                    if there is None:
                        return self.send(404, b"", {"X-Error-Code": "RevisionNotFound"})
                    siblings = [{"rfilename": name, "size": len(content)} for name, content in there.items()]
                    return self.send_json({"id": repo_id, "sha": commit, "siblings": siblings, "tags": []})
                for revision, there in {"main": files, **branches}.items():
                    resolve = f"/{prefix}{repo_id}/resolve/{revision}/"
                    if path.startswith(resolve):
                        name = path.removeprefix(resolve)
                        self.commit = COMMIT if revision == "main" else revision
                        return self.send_file(name, (there or {}).get(name))
            return self.send(404, b"", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "no such repository"})

        def send_json(self, value: object) -> None:
            self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

        def send_file(self, name: str, content: bytes | None) -> None:
            if content is None:
                headers = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": self.commit}
                return self.send(404, b"", headers)
            etag = self.etag(name, content)
            headers = {"ETag": f'"{etag}"', "X-Repo-Commit": self.commit, "Content-Length": str(len(content))}
            return self.send(200, content[: len(content) - cut], headers)

        def etag(self, name: str, content: bytes) -> str:
            if name.endswith((".safetensors", ".parquet")):
                return hashlib.sha256(content).hexdigest()
            return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    return HubHandler


def refusing(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> type[Handler]:
    """Answers every request in one way."""

    def answer(self: Handler) -> None:
        self.send(status, body, headers)

    return type("Refusing", (Handler,), {"requests": [], "answer": answer})


def use_hub(monkeypatch: pytest.MonkeyPatch, endpoint: str, cache: str) -> None:
    """Point the hub client of this process to ``endpoint`` and an own ``cache`` folder.

    The client reads HF_ENDPOINT and HF_HUB_CACHE when it is imported; this sets what it read.
    """
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", cache)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
