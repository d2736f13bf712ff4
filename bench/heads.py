"""Training speed of each other head and alignment and of half the layers, in alternation with params.yaml."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from bench import inputs
from bench.training import Worker, rate, worker
from clue_ner.core import plugins
from clue_ner.core.params import Params, TaggingParams, load_params

SECONDS, TURNS, EPOCHS = 3.0, 3, 1000
"""Seconds of training per turn; number of measured turns; a number of epochs that is never reached."""

Changes = Mapping[str, Mapping[str, Any]]


def configurations(params: Params, layers: int) -> Iterator[tuple[str, Changes]]:
    """The configurations to compare with ``params`` (encoder of ``layers`` layers): title, and values by section."""
    for head in plugins.names(plugins.HEADS):
        if head != params.train.head:
            yield head, {"train": {"head": head}}
    if not params.train.efficient:
        yield "global_pointer, efficient", {"train": {"head": "global_pointer", "efficient": True}}
    for align in get_args(TaggingParams.model_fields["align"].annotation):
        if align != params.tagging.align:
            yield align, {"tagging": {"align": align}}
    yield f"{layers // 2} of {layers} layers", {"train": {"layers": layers // 2}}


def measure(place: Path, layers: int, seconds: float = SECONDS) -> dict[str, Any]:
    """Characters per second of each configuration and, in the same turns, of params.yaml."""
    params = load_params(place / "params.yaml")
    compared = []
    with worker("ours", _place(place, "committed", params, {})) as base:
        base.answer()
        for title, changes in configurations(params, layers):
            with worker("ours", _place(place, title, params, changes)) as other:
                trained = other.answer()["trained_parameters"]
                _turn(base, seconds), _turn(other, seconds)  # with the first steps, which are slow
                turns = [(_turn(base, seconds), _turn(other, seconds)) for _ in range(TURNS)]
            committed, changed = (sum(rates) / TURNS for rates in zip(*turns))
            compared.append(
                {
                    "title": title,
                    "committed_characters_per_second": committed,
                    "characters_per_second": changed,
                    "trained_parameters": trained,
                }
            )
    return {"committed": f"{params.train.head} over {params.tagging.align}", "compared": compared}


def _turn(one: Worker, seconds: float) -> float:
    """Characters per second in a turn."""
    turn = one.ask(do="train", seconds=seconds, steps=sys.maxsize)
    return rate(turn["characters"], turn["timed_seconds"])


def _place(place: Path, name: str, params: Params, changes: Changes) -> Path:
    """A folder next to ``place`` with the same data, other params, and a number of epochs that is never reached."""
    beside = place / "heads" / name
    (beside / "data").mkdir(parents=True)
    for path in (place / "data").iterdir():
        (beside / "data" / path.name).symlink_to(path.resolve())
    values: dict[str, dict[str, Any]] = {"train": {"epochs": EPOCHS}}
    for section, changed in changes.items():
        values.setdefault(section, {}).update(changed)
    sections = {section: getattr(params, section).model_copy(update=changed) for section, changed in values.items()}
    inputs.make(inputs.ROOT, beside, params.model_copy(update=sections))
    return beside
