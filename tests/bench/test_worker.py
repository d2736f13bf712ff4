"""A training loop's conversation with the parent, without a model."""

import json
from collections import Counter
from typing import Any

import pytest

from bench import worker
from bench.worker import WARM_UP, Stopped, Turns


def converse(steps: int, *commands: dict[str, Any]) -> list[dict[str, Any]]:
    """The answers of a loop of ``steps`` steps, whose step n, from 1, counts 10 ** n characters."""
    answers: list[dict[str, Any]] = []
    turns = Turns(iter(map(json.dumps, commands)), answers.append)
    with pytest.raises(Stopped):
        turns.ready({"number_format": "none"}, lambda: turns.steps / 100)
        for step in range(1, steps + 1):
            turns.count(characters=10**step)
            turns.step()
        turns.finish()
    return answers


def train(steps: int) -> dict[str, Any]:
    return {"do": "train", "seconds": 600, "steps": steps}


def test_turns_leave_the_first_steps_out_of_what_is_timed() -> None:
    ready, turn = converse(9, train(WARM_UP + 2))
    assert ready == {"ready": True, "number_format": "none"}
    assert (turn["steps"], turn["timed_steps"], turn["ended"]) == (WARM_UP + 2, 2, False)
    assert turn["characters"] == 10**4 + 10**5
    assert 0 <= turn["timed_seconds"] <= turn["seconds"]


@pytest.mark.parametrize("steps", [WARM_UP - 1, WARM_UP])
def test_turns_that_are_all_warm_up_count_nothing(steps: int) -> None:
    _, turn, after = converse(9, train(steps), train(1))
    assert (turn["steps"], turn["timed_steps"], turn["characters"]) == (steps, 0, 0)
    assert (after["steps"], after["timed_steps"]) == (1, steps == WARM_UP)


def test_turns_count_each_step_once_and_evaluate_between_them() -> None:
    _, first, score, second, third = converse(9, train(4), {"do": "evaluate"}, train(2), train(1))
    assert score == {"f1": 0.04}
    assert [turn["steps"] for turn in (first, second, third)] == [4, 2, 1]
    assert [turn["characters"] for turn in (first, second, third)] == [10**4, 10**5 + 10**6, 10**7]


def test_turns_end_with_the_training_and_give_no_more_steps() -> None:
    _, whole, nothing = converse(5, train(10**6), train(10**6), {"do": "stop"})
    assert (whole["steps"], whole["timed_steps"], whole["ended"]) == (5, 2, True)
    assert (nothing["steps"], nothing["timed_steps"], nothing["ended"]) == (0, 0, True)


def test_turns_end_when_their_seconds_are_over(monkeypatch: pytest.MonkeyPatch) -> None:
    now = Counter(seconds=0)
    monkeypatch.setattr(worker, "clock", lambda: float(now["seconds"]))
    monkeypatch.setattr(worker.time, "perf_counter", lambda: float(now["seconds"]))
    answers: list[dict[str, Any]] = []
    turns = Turns(iter([json.dumps({"do": "train", "seconds": 20, "steps": 10**6})]), answers.append)
    with pytest.raises(Stopped):
        turns.ready({}, lambda: 0.0)
        while True:
            now["seconds"] += 3
            turns.step()
    assert (answers[-1]["steps"], answers[-1]["seconds"]) == (7, 21.0)
    assert (answers[-1]["timed_steps"], answers[-1]["timed_seconds"]) == (4, 12.0)
