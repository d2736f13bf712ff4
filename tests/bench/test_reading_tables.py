from copy import deepcopy
from typing import Any

import pytest

from bench import reading_tables


@pytest.fixture
def reading(results: dict[str, Any]) -> dict[str, Any]:
    """The measurements of this part."""
    return deepcopy(results["reading"])


def rows(reading: dict[str, Any], title: str) -> list[list[str]]:
    (table,) = (table for table in reading_tables.tables(reading) if table.title == title)
    return [list(row) for row in table.rows]


def notes(reading: dict[str, Any]) -> str:
    return " ".join(note for table in reading_tables.tables(reading) for note in table.notes)


def test_speed_is_against_3ec9ba5_if_that_is_in_the_history(reading: dict[str, Any]) -> None:
    assert rows(reading, "Reading and checking") == [["now", "2.50 ×", "250"], ["3ec9ba5", "1.00 ×", "100"]]
    del reading["per_cpu_second"]["baseline"]
    assert rows(reading, "Reading and checking") == [["now", "–", "250"]]
    assert "3ec9ba5 is not in this clone's history" in notes(reading)


def test_memory_of_checks_is_what_they_take_beside_the_sentences(reading: dict[str, Any]) -> None:
    assert [row[1:] for row in rows(reading, "Memory of reading")] == [
        ["30", "33", "1.10 ×", "–"],
        ["40", "46", "1.15 ×", "–"],
        ["50", "56.8", "1.14 ×", "80"],
        ["60", "67", "1.12 ×", "100"],
    ]


def test_goals_are_met_or_missed_at_their_limits(reading: dict[str, Any]) -> None:
    assert notes(reading).count(": met") == 4
    reading["per_cpu_second"]["now"] = 199.0
    reading["memory"] |= {"convert": [30e6, 39.1e6], "download": [50e6, 57.1e6], "report": [60e6, 67.1e6]}
    assert notes(reading).count(": missed") == 4
