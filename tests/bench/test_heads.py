import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import heads, inputs
from clue_ner.core.params import load_params

CHANGES = {"train": {"head": "softmax"}, "tagging": {"align": "pieces"}}


def test_heads_are_all_compared_with_the_committed_one() -> None:
    params = load_params(inputs.ROOT / "params.yaml")
    titles = [title for title, _ in heads.configurations(params, layers=12)]
    assert {params.train.head, *titles} >= {"softmax", "crf", "span", "global_pointer", "biaffine"}
    assert {params.tagging.align, *titles} >= {"characters", "pieces", "characters_over_pieces", "6 of 12 layers"}
    assert params.train.head not in titles and params.tagging.align not in titles


def test_heads_take_turns_and_the_first_of_each_does_not_count(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Fake:
        def __init__(self, folder: Path) -> None:
            self.folder, self.turns = folder, 0

        def answer(self) -> dict[str, Any]:
            return {"trained_parameters": 7}

        def ask(self, **command: Any) -> dict[str, Any]:
            assert (command["do"], command["seconds"]) == ("train", 0.5)
            asked.append(self.folder.name)
            self.turns += 1
            slow = self.turns == 1
            faster = {"committed": 1, "other": 3}[self.folder.name]
            return {"characters": 1 if slow else faster * 100 * self.turns, "timed_seconds": 2.0}

    @contextlib.contextmanager
    def worker(recipe: str, folder: Path) -> Iterator[Fake]:
        assert recipe == "ours"
        yield Fake(folder)

    monkeypatch.setattr(heads, "worker", worker)
    monkeypatch.setattr(heads, "_place", lambda place, name, params, changes: place / name)
    monkeypatch.setattr(heads, "configurations", lambda params, layers: [("other", CHANGES)])
    measured = heads.measure(place, layers=2, seconds=0.5)
    assert asked == ["committed", "other"] * (1 + heads.TURNS)
    rate = sum(100 * turn for turn in range(2, 2 + heads.TURNS)) / heads.TURNS / 2.0
    assert measured["compared"] == [
        {
            "title": "other",
            "committed_characters_per_second": rate,
            "characters_per_second": 3 * rate,
            "trained_parameters": 7,
        }
    ]


def test_place_is_the_same_data_with_other_params(place: Path, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(place / "data")
    params = load_params(place / "params.yaml")
    beside = heads._place(tmp_path, "other", params, CHANGES)
    changed = load_params(beside / "params.yaml")
    assert changed.train == params.train.model_copy(update={"head": "softmax", "epochs": heads.EPOCHS})
    assert changed.tagging == params.tagging.model_copy(update={"align": "pieces"})
    assert (beside / "data/corpus").resolve() == (place / "data/corpus").resolve()


@pytest.mark.slow
def test_heads_train_in_processes_of_their_own(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "configurations", lambda params, layers: [("other", CHANGES)])
    (one,) = heads.measure(place, layers=2, seconds=0.2)["compared"]
    hidden, intermediate, tags = 32, 64, 3
    layer = 4 * hidden * (hidden + 1) + 2 * hidden * intermediate + hidden + intermediate + 4 * hidden
    positions = (512 + 2) * hidden + 2 * hidden  # and types of segments, and the norm; word embeddings are frozen
    assert one["trained_parameters"] == 2 * layer + positions + tags * (hidden + 1)
