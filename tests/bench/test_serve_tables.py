from copy import deepcopy
from typing import Any

import pytest

from bench import serve_tables


@pytest.fixture
def serve(results: dict[str, Any]) -> dict[str, Any]:
    """The measurements of this part."""
    return deepcopy(results["serve"])


def rows(serve: dict[str, Any], title: str) -> dict[str, list[str]]:
    (table,) = (table for table in serve_tables.tables(serve) if table.title == title)
    return {name: list(cells) for name, *cells in table.rows}


def notes(serve: dict[str, Any]) -> str:
    return " ".join(note for table in serve_tables.tables(serve) for note in table.notes)


def test_throughput_is_against_mlflow_and_cpu_time_against_bulk(serve: dict[str, Any]) -> None:
    assert rows(serve, "Serving") == {
        "`clue-ner serve --runtime int8`": ["6.00 ×", "3.00 ×", "0.90 ×", "300", "180"],
        "`clue-ner serve --runtime torch`": ["3.00 ×", "2.50 ×", "0.40 ×", "150", "80"],
        "`mlflow models serve` (int8)": ["2.00 ×", "1.00 ×", "0.30 ×", "100", "60"],
        "`mlflow models serve` (torch)": ["1.20 ×", "1.00 ×", "0.20 ×", "60", "40"],
        "3ec9ba5, `mlflow models serve` (torch)": ["1.00 ×", "0.83 ×", "0.15 ×", "50", "30"],
        "`Tagger.tag` in bulk, int8": ["–", "–", "1.00 ×", "–", "200"],
    }


def test_load_is_against_one_client_and_memory_against_the_first_minute(serve: dict[str, Any]) -> None:
    assert rows(serve, "A service under load") == {
        "one client, p50, ms": ["1.00 ×", "8"],
        "half of the capacity, p50, ms": ["1.25 ×", "10"],
        "half of the capacity, p99, ms": ["3.75 ×", "30"],
        "memory after a minute, MB": ["1.00 ×", "200"],
        "memory after ten minutes, MB": ["1.02 ×", "204"],
    }


def test_goals_are_met_or_missed_at_their_limits(serve: dict[str, Any]) -> None:
    assert notes(serve).count(": met") == 6
    serve["throughput"]["int8"] = {"per_second": 249.0, "per_cpu_second": 169.0}
    serve["throughput"]["torch"]["per_second"] = 119.0
    serve["throughput"]["mlflow_int8"]["per_second"] = 125.0
    serve["latency"]["half_p99_ms"] = 32.1
    serve["memory_bytes"][1] = 210_000_001
    assert notes(serve).count(": missed") == 6


def test_without_history_nothing_is_compared_with_3ec9ba5(serve: dict[str, Any]) -> None:
    del serve["throughput"]["baseline"]
    assert rows(serve, "Serving")["`clue-ner serve --runtime int8`"][0] == "–"
    assert "3ec9ba5 is not in this clone's history" in notes(serve)
    assert "a random head stands in" in notes(serve | {"trained": False})
