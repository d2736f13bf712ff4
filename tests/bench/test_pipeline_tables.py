from typing import Any

import pytest

from bench import pipeline_tables


def rows(table: pipeline_tables.Table) -> dict[str, list[str]]:
    return {name: list(cells) for name, *cells in table.rows}


def test_overhead_is_against_the_import_and_shows_where_time_is_spent(results: dict[str, Any]) -> None:
    measured = results["overhead"]
    found = rows(pipeline_tables.overhead(measured))
    assert found["all stages, `dvc exp run`"] == [f"{22 / 4:.2f} ×", "22", "–"]
    assert found["`import torch; from transformers import Trainer`"] == ["1.00 ×", "4", "–"]
    assert found["fine_tune, without DVC"] == [f"{9 / 4:.2f} ×", "9", "6"]
    assert found["all, without DVC"] == [f"{(1 + 9) / 4:.2f} ×", "10", "6.4"]


@pytest.mark.parametrize(
    ("pipeline", "base", "goal"),
    [
        (20.0, 1.0, "here 20 s: met"),
        (20.1, 1.0, "here 20 s: missed"),
        (27.9, 7.0, "here 28 s: met"),
        (28.1, 7.0, "here 28 s: missed"),
    ],
)
def test_overhead_goal_is_20_s_or_4_imports_whichever_is_more(
    results: dict[str, Any], pipeline: float, base: float, goal: str
) -> None:
    measured = results["overhead"] | {"pipeline": pipeline, "import": base}
    assert goal in " ".join(pipeline_tables.overhead(measured).notes)


@pytest.mark.parametrize(("seconds", "goal"), [(3.2, "met"), (3.3, "missed")])
def test_repro_goal_is_1_6_times_an_empty_pipeline(results: dict[str, Any], seconds: float, goal: str) -> None:
    table = pipeline_tables.repro(results["pipeline"] | {"repro": {"pipeline": seconds, "empty": 2.0}})
    assert rows(table)["this pipeline"] == [f"{seconds / 2:.2f} ×", f"{seconds}"]
    assert f"at most 1.6 × an empty pipeline: {goal}" in " ".join(table.notes)


def test_starts_leave_out_the_bare_interpreter(results: dict[str, Any]) -> None:
    found = rows(pipeline_tables.starts(results["pipeline"]))
    assert found["download"] == ["0.5", "0.48"]
    assert found["tokenize_align, its work on as many sentences as CLUENER has"] == ["–", "4.2"]


def test_scaling_calls_growth_by_its_name(results: dict[str, Any]) -> None:
    table = pipeline_tables.scaling(results["scaling"])
    assert [list(row) for row in table.rows] == [
        ["evaluate", "10", "1 ×", "1.00 ×", "1.00 ×", "1", "0.5"],
        ["evaluate", "40", "4 ×", "4.00 ×", "2.00 ×", "4", "1"],
    ]
    assert "time is linear (1.00 of proportional); memory is not flat (2.00 ×" in table.notes[0]
    (once, four_times) = results["scaling"]["evaluate"]
    grown = [once, four_times | {"seconds": 6.0, "peak_gb": 0.6}]
    notes = pipeline_tables.scaling({"evaluate": grown}).notes
    assert "time is more than linear (1.50 of proportional); memory is flat (1.20 ×" in notes[0]
