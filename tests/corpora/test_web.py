import threading

import pytest

from clue_ner.common.errors import SourceError
from clue_ner.corpora import _web


def test_get_does_not_wait_for_a_name_look_up(monkeypatch):
    enough = threading.Event()
    monkeypatch.setattr(_web, "PATIENCE", 0.2)
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: enough.wait(30) and [])
    with pytest.raises(SourceError, match=r"^c\.zip: no answer \(waited 0 s\)$"):
        _web.get("http://example.invalid/c.zip?token=s3cret")
    enough.set()
