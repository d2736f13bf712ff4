"""An end to waiting, and a bound on attempts."""

import threading

import pytest

from clue_ner.common import retry
from clue_ner.common.retry import ATTEMPTS, retried, within


def test_within_gives_the_result_or_the_error() -> None:
    assert within(5, lambda: 3) == 3
    with pytest.raises(ZeroDivisionError, match="division"):
        within(5, lambda: 1 // 0)


def test_within_gives_up() -> None:
    with pytest.raises(TimeoutError, match=r"^waited 0 s$"):
        within(0.05, threading.Event().wait)


class Failing:
    """Raises the errors one after another, then gives how often it was called."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.calls = list(errors), 0

    def __call__(self) -> int:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.calls


def is_os_error(error: Exception) -> bool:
    return isinstance(error, OSError)


def test_retried_tries_again_with_longer_pauses_and_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    monkeypatch.setenv("HF_TOKEN", "a-secret")
    assert retried(Failing(OSError("no route\n  for a-secret"), ConnectionError()), is_os_error) == 3
    assert pauses == [0.5, 1.0]
    assert caplog.messages == [
        "no route for ***; trying again in 0.5 s (2 of 3)",
        "ConnectionError; trying again in 1.0 s (3 of 3)",
    ]


def test_retried_raises_the_last_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "PAUSE", 0.0)
    call = Failing(*(OSError(str(number)) for number in range(1, 9)))
    with pytest.raises(OSError, match=f"^{ATTEMPTS}$"):
        retried(call, is_os_error)
    assert call.calls == ATTEMPTS


def test_retried_raises_what_does_not_pass() -> None:
    call = Failing(ValueError("for good"), OSError())
    with pytest.raises(ValueError, match="for good"):
        retried(call, is_os_error)
    assert call.calls == 1
