import threading

import pytest
from support.servers import file_handler, serve

from clue_ner.common.errors import SourceError
from clue_ner.common.retry import within
from clue_ner.corpora import _web


def test_within_gives_the_result_or_the_error():
    assert within(5, lambda: 3) == 3
    with pytest.raises(ZeroDivisionError, match="division"):
        within(5, lambda: 1 / 0)


def test_within_gives_up():
    with pytest.raises(TimeoutError, match=r"^$"):
        within(0.05, threading.Event().wait)


def test_get_does_not_wait_for_a_name_look_up(monkeypatch):
    enough = threading.Event()
    monkeypatch.setattr(_web, "PATIENCE", 0.2)
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: enough.wait(30) and [])
    with pytest.raises(SourceError, match=r"c\.zip: no answer \(waited 0 s\)"):
        _web.get("http://example.invalid/c.zip?token=s3cret")
    enough.set()


def test_silence_takes_any_answer():
    with serve(file_handler({})) as url:
        assert _web.silence(url) is None
    assert "no answer" in (_web.silence(url) or "")
