from pathlib import Path

import pytest
from support.tracking_repository import write_repository

from clue_ner.common.files import read_json
from clue_ner.tracking.pyfunc_model import describe, graphs


@pytest.mark.parametrize(
    ("good", "onnx", "there", "runtime"),
    [
        ({"onnx": True, "int8": True}, False, ["int8"], "int8"),
        ({"onnx": True, "int8": True}, True, ["int8", "onnx"], "int8"),
        ({"onnx": True, "int8": False}, True, ["int8", "onnx"], "onnx"),
        ({"onnx": True, "int8": False}, False, ["int8"], "torch"),
        ({"onnx": False, "int8": False}, True, ["int8", "onnx"], "torch"),
        ({}, True, [], "torch"),
    ],
)
def test_pyfunc_model_answers_with_the_fastest_runtime_that_differs_little(
    tmp_path: Path, good: dict[str, bool], onnx: bool, there: list[str], runtime: str
) -> None:
    formats = {"torch": {"micro_f1": 0.8}, **{name: {"ok": ok} for name, ok in good.items()}}
    describe(tmp_path, formats, onnx)
    assert read_json(tmp_path / "registry.json") == {"graphs": there, "runtime": runtime}
    assert graphs(tmp_path) == there


def test_pyfunc_model_of_an_export_of_an_earlier_release_has_no_graphs(tmp_path: Path) -> None:
    write_repository(tmp_path, "a")
    (tmp_path / "models/export/onnx").mkdir()
    assert graphs(tmp_path / "models/export") == []
