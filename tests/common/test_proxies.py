"""A proxy that cannot be used is named by its variable, without its password."""

import pytest

from clue_ner.common import proxies
from clue_ner.common.errors import SourceError
from clue_ner.corpora import _web


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in proxies.VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize("variable", ["ALL_PROXY", "all_proxy", "HTTPS_PROXY"])
@pytest.mark.parametrize("proxy", ["socks5://me:pass-word@127.0.0.1:7890", "gopher://127.0.0.1:1", "127.0.0.1:no-port"])
def test_proxies_that_cannot_be_used_are_named(monkeypatch: pytest.MonkeyPatch, variable: str, proxy: str) -> None:
    monkeypatch.setenv(variable, proxy)
    with pytest.raises(
        SourceError, match=rf"file.zip: the proxy of the environment cannot be used \({variable}="
    ) as raised:
        _web.get("https://127.0.0.1:9/file.zip")
    assert "unset it, or for SOCKS run `pip install" in str(raised.value)
    assert "pass-word" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_proxies_are_not_blamed_for_other_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxies.problem_of(ValueError("no")) is None
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert proxies.problem_of(OSError("no")) is None
