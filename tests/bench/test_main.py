from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as main
from clue_ner.common.files import read_json


def test_main_refuses_a_part_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main.main(["trainings"])
    wanted = "there are training, heads, tagging, light, serve, demo, overhead, pipeline, scaling, reading"
    assert f"unknown part trainings: {wanted}" in capsys.readouterr().err


def test_main_measures_the_parts_asked_for_and_writes_where_out_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def measure(parts: list[str], place: Path, seconds: float, target: float) -> dict[str, Any]:
        asked.append((parts, list(place.iterdir()), seconds, target))
        return {name: results[name] for name in ("machine", "data", "peaks", *parts)}

    monkeypatch.setattr(main, "measure", measure)
    monkeypatch.setattr(main, "quiet", lambda: None)
    main.main(["scaling", "training", "--seconds", "3", "--f1", "0.25", "--out", str(tmp_path)])
    assert asked == [(["training", "scaling"], [], 3.0, 0.25)]
    assert {path.name for path in tmp_path.iterdir()} == {"bench.md", "bench.json", "bench.png"}
    written = read_json(tmp_path / "bench.json")
    assert written["training"] == results["training"] and "tagging" not in written
    text = (tmp_path / "bench.md").read_text(encoding="utf-8")
    assert "`python -m bench scaling training --seconds 3 --f1 0.25`" in text
    assert "stock Trainer" in capsys.readouterr().out
