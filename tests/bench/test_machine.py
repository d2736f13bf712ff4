import json
import platform
from typing import Any

import pytest
import torch

from bench import machine


def test_machine_names_no_host() -> None:
    found = machine.describe()
    assert found["cores"] >= 1 and found["versions"]["torch"] == torch.__version__
    assert platform.node() not in json.dumps(found)


def test_peaks_of_a_layer_are_all_its_work_over_all_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {(10, 10): 100.0, (10, 40): 200.0, (40, 10): 50.0, (2048, 2048): 400.0}

    def rate(m: int, k: int, n: int, dtype: Any, device: str, seconds: float) -> float:
        return rates[k, n]

    monkeypatch.setattr(machine, "matmul_rate", rate)
    monkeypatch.setattr(machine, "has_bf16", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = machine.peaks(tokens=3, hidden=10, intermediate=40)
    operations = {shape: 2 * 3 * shape[0] * shape[1] for shape in rates}
    seconds = 4 * operations[10, 10] / 100 + operations[10, 40] / 200 + operations[40, 10] / 50
    layer = (4 * operations[10, 10] + operations[10, 40] + operations[40, 10]) / seconds
    assert found.keys() == {"float32"}
    assert found["float32"]["square"] == 400
    assert found["float32"]["layer"] == pytest.approx(layer)
    assert found["float32"]["shapes"] == {"3 × 10 × 10": 100, "3 × 10 × 40": 200, "3 × 40 × 10": 50}


def test_matmul_rate_is_of_the_fastest_try(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 9.0, 10.0, 12.0, 20.0, 25.0])  # tries of 9, 2 and 5 seconds
    monkeypatch.setattr(machine, "clock", lambda: next(ticks))
    monkeypatch.setitem(machine.WORK, "cpu", 2 * 4 * 5 * 6 * 7)  # seven products
    assert machine.matmul_rate(4, 5, 6, torch.float32, "cpu", seconds=0.0) == 7 * 2 * 4 * 5 * 6 / 2


def test_higher_takes_the_higher_of_each_number() -> None:
    one = {"float32": {"square": 1.0, "shapes": {"a": 4.0}}}
    other = {"float32": {"square": 2.0, "shapes": {"a": 3.0}}}
    assert machine.higher(one, other) == {"float32": {"square": 2.0, "shapes": {"a": 4.0}}}
