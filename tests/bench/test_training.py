import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import training
from bench.worker import WARM_UP

KNOWN = {"token_flops": 10, "unit_flops": 1, "number_format": "float32", "trained_parameters": 3}


def test_worker_answers_in_a_process_of_its_own(place: Path, sentences: list[dict[str, Any]]) -> None:
    with training.worker("plain", place) as worker:
        assert worker.answer()["number_format"] == "float32"
        turn = worker.ask(do="train", seconds=600, steps=5)  # an epoch
        assert (turn["steps"], turn["timed_steps"]) == (5, 5 - WARM_UP)
        shortest, *_, longest = sorted(len(sentence["text"]) for sentence in sentences)
        assert 2 * 5 * shortest <= turn["characters"] <= 2 * 5 * longest
        assert worker.ask(do="evaluate")["f1"] == 0.0  # at its learning rate
        assert worker.ask(do="stop") == {"stopped": True}
        with pytest.raises(RuntimeError, match="ended early"):
            worker.answer()


def test_measure_lets_one_recipe_train_at_a_time_and_each_as_often(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    class Fake:
        def __init__(self, recipe: str) -> None:
            self.recipe, self.turns = recipe, 0

        def answer(self) -> dict[str, Any]:
            return KNOWN

        def ask(self, do: str, **options: Any) -> dict[str, Any]:
            asked.append((self.recipe, do))
            if do == "evaluate":
                return {"f1": self.turns / 10}
            assert options["seconds"] == 40 / training.TURNS
            self.turns += 1
            ended = self.recipe == "plain" and self.turns == 2
            timed = {"timed_seconds": 4.0, "timed_steps": 2, "characters": 100 * self.turns}
            return {"ended": ended, "seconds": 5.0, "steps": 2, "memory_gb": 1.0, **timed}

    @contextlib.contextmanager
    def worker(recipe: str, place: Path) -> Iterator[Fake]:
        yield Fake(recipe)

    monkeypatch.setattr(training, "worker", worker)
    measured = training.measure(Path(), seconds=40, target=0.3, recipes=("plain", "stock", "ours"))
    both = [("plain", "train"), ("plain", "evaluate")]
    rest = [("stock", "train"), ("stock", "evaluate"), ("ours", "train"), ("ours", "evaluate")]
    assert asked == (both + rest) * 2 + rest * (training.TURNS - 2)  # plain had come to its end
    plain, _, ours = measured["recipes"].values()
    assert (plain["steps"], plain["ended"], plain["characters_per_second"]) == (4, True, 300 / 8)
    assert ours["characters_per_second"] == sum(100 * turn for turn in range(1, 9)) / (8 * 4)
    assert ours["curve"][2] == [15.0, 0.3] and ours["seconds_to_target"] == 15.0


def test_summary_gives_rates_of_timed_steps_only() -> None:
    amounts = {"characters": 80, "tokens": 90, "padded_tokens": 100, "padded_units": 80}
    warm = {"seconds": 9.0, "timed_seconds": 0.0, "steps": 3, "timed_steps": 0, "ended": False, "memory_gb": 1.0}
    timed = {"seconds": 4.0, "timed_seconds": 4.0, "steps": 2, "timed_steps": 2, "ended": True, "memory_gb": 2.0}
    summary = training.summary(KNOWN, [warm | {"f1": 0.2}, timed | amounts | {"f1": 0.6}], target=0.5)
    assert summary["characters_per_second"] == 20
    assert summary["seconds_per_step"] == 2
    assert summary["padded_share"] == pytest.approx(0.1)
    assert summary["flops_per_second"] == (10 * 100 + 80) / 4
    assert summary["peak_memory_gb"] == 2.0
    assert summary["curve"] == [[9.0, 0.2], [13.0, 0.6]] and summary["seconds_to_target"] == 13.0
    assert training.summary(KNOWN, [warm | {"f1": 0.2}], target=0.5)["seconds_to_target"] is None
