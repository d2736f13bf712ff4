"""Downloads that go wrong, from real servers: refused by name, or tried again, with a bound and a line that says so."""

import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from support.bert_folders import contents, tiny_bert
from support.cluener_files import FILES, SENTENCES, load, nothing_reachable  # noqa: F401
from support.hub_models import NAME, fetch
from support.servers import COMMIT, Handler, hub_handler, serve, use_hub

from clue_ner import hub
from clue_ner.common import retry
from clue_ner.common.errors import BackboneError, SourceError
from clue_ner.corpora import _web

Answer = Callable[[Handler, bytes, int], object]
"""Answers a request for a file with this content; the number is how often the file was asked for before."""


def mirror(answer: Answer, name: str = "train.json") -> type[Handler]:
    """A mirror of CLUENER that gives one of its files in this way, and counts the requests for it in ``asked``."""

    class Mirror(Handler):
        requests: ClassVar[list[str]] = []
        asked = 0

        def answer(self) -> None:
            wanted = self.path.removeprefix("/")
            if wanted not in FILES:
                return self.send(404)
            if wanted != name:
                return self.send(200, FILES[wanted])
            Mirror.asked += 1
            answer(self, FILES[wanted], Mirror.asked - 1)
            return None

    return Mirror


def served(handler: type[Handler], monkeypatch: pytest.MonkeyPatch) -> Any:
    with serve(handler) as url:
        monkeypatch.setenv("CLUENER_MIRROR", url)
        return load().splits


def failing(times: int, status: int) -> Answer:
    return lambda handler, content, before: handler.send(status) if before < times else handler.send(200, content)


def breaking(handler: Handler, content: bytes, before: int) -> None:
    """Breaks off twice, after twenty bytes of another version of the file, and is whole when asked again."""
    if before < 2:
        return handler.send(200, b"#" * 20, {"Content-Length": "1000"})
    return handler.send(200, content)


def hanging_up(handler: Handler, content: bytes, before: int) -> None:
    """Closes without an answer, once."""
    if before:
        handler.send(200, content)
    else:
        handler.close_connection = True


@pytest.mark.parametrize("answer", [failing(1, 503), failing(2, 500), failing(1, 429), hanging_up, breaking])
def test_download_is_tried_again_and_says_so(
    answer: Answer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    handler: Any = mirror(answer)
    assert served(handler, monkeypatch) == SENTENCES
    again = handler.asked - 1
    said = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == again > 0
    assert all(re.search(r"train\.json: .*; trying again in 0\.0 s \([23] of 3\)", r.getMessage()) for r in said)


def cut(handler: Handler, content: bytes, _: int) -> None:
    handler.send(200, content[:-9], {"Content-Length": str(len(content))})


def flipped(handler: Handler, content: bytes, _: int) -> None:
    handler.send(200, content.replace("程".encode(), "稌".encode(), 1))


def html(handler: Handler, content: bytes, _: int) -> None:
    handler.send(200, b"\n<!doctype html><title>sign in</title>")


def circle(handler: Handler, content: bytes, _: int) -> None:
    handler.send(302, b"", {"Location": "/train.json"})


def drip(handler: Handler, content: bytes, _: int) -> None:
    handler.send(200, b"", {"Content-Length": str(len(content))})
    for number in range(len(content)):
        handler.wfile.write(content[number : number + 1])
        time.sleep(0.05)


def squeezed(handler: Handler, content: bytes, _: int) -> None:
    handler.send(200, b"\x1f\x8b", {"Content-Encoding": "gzip"})


def other_split(handler: Handler, content: bytes, _: int) -> None:
    handler.send(200, FILES["dev.json"])


@pytest.mark.parametrize(
    ("answer", "message", "requests"),
    [
        (failing(99, 503), "answered HTTP 503", 3),
        (failing(99, 410), "answered HTTP 410", 1),
        (cut, r"broke off after \d+ bytes", 3),
        (flipped, r"wanted 程千帆|text\[start:end\]|has fingerprint", 1),
        (html, "an HTML page", 1),
        (circle, "redirected in a circle", 21),
        (drip, r"too slow, \d+ bytes in 0 s", 1),
        (squeezed, "sent with Content-Encoding gzip", 1),
        (other_split, "is the test split of CLUENER2020, wanted train", 1),
    ],
)
def test_download_that_will_not_do_is_refused_by_name(
    answer: Answer, message: str, requests: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_web, "LONGEST", 0.3)
    handler: Any = mirror(answer)
    with pytest.raises(SourceError, match=rf"train\.json.*({message})"):
        served(handler, monkeypatch)
    assert handler.asked == requests


# --- a hub


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_bert(tmp_path / "model")


def hub_that(answer: Answer, model: Path) -> type[Handler]:
    """A hub that gives the vocabulary in this way."""
    base: Any = hub_handler("model", {NAME: contents(model)})

    class Hub(base):  # type: ignore[misc]
        given = 0

        def send_file(self, name: str, content: bytes) -> None:
            if self.command == "HEAD" or name != "vocab.txt":
                return super().send_file(name, content)
            Hub.given += 1
            answer(self, content, Hub.given - 1)
            return None

    return Hub


@pytest.mark.parametrize("answer", [failing(1, 503), failing(2, 500), hanging_up])
def test_hub_download_is_tried_again(
    answer: Answer,
    model: Path,
    tmp_path: Path,
    hub_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with serve(hub_that(answer, model)) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        assert fetch(tmp_path / "out")["revision"] == COMMIT
    assert re.search("trying again|Trying to resume", caplog.text)


def turned(handler: Handler, content: bytes, _: int) -> None:
    handler.send(200, content.replace("今".encode(), "令".encode()), {"X-Repo-Commit": COMMIT})


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (failing(99, 503), SourceError, "503"),
        (turned, BackboneError, r"damaged \(git's id [0-9a-f]{12}…, wanted [0-9a-f]{12}…\)"),
        (drip, SourceError, r"vocab\.txt was not downloaded within \d s"),
    ],
)
def test_hub_download_that_will_not_do_is_refused(
    answer: Answer,
    error: type[Exception],
    message: str,
    model: Path,
    tmp_path: Path,
    hub_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry, "PAUSE", 0.0)
    monkeypatch.setattr(hub, "SLACK", 0.5 if answer is drip else 60.0)
    with serve(hub_that(answer, model)) as url:
        use_hub(monkeypatch, url, str(hub_cache))
        with pytest.raises(error, match=message):
            fetch(tmp_path / "out")
    assert contents(tmp_path / "out") == {}
