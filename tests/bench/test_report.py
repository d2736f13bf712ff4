import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench import report
from bench.inputs import ROOT
from bench.tables import tables
from clue_ner.common.files import read_json, write_json

PARTS = ("training", "heads", "tagging", "light", "serve", "overhead", "pipeline", "scaling")
Cells = dict[tuple[str, str], list[str]]


def cells(text: str) -> Cells:
    """The cells of each row of a page, by the title above the table and what the row begins with."""
    found: Cells = {}
    title = ""
    for line in text.splitlines():
        if line.startswith("## "):
            title = line.removeprefix("## ")
        elif line.startswith("| "):
            name, *others = (cell.strip() for cell in line.strip("|").split(" | "))
            found[title, name] = others
    return found


def ratios(results: dict[str, Any]) -> dict[tuple[str, str], tuple[int, float]]:
    """Ratios computed from the raw numbers, by table and row: the cell that has it, and its value."""
    found: dict[tuple[str, str], tuple[int, float]] = {}
    recipes, taggers = results["training"]["recipes"], results["tagging"]["candidates"]
    for at, name in enumerate(("plain", "stock", "ours")):
        value = recipes[name]["characters_per_second"] / recipes["stock"]["characters_per_second"]
        found["Training", f"characters/s against stock Trainer#{at}"] = (at, value)
    for at, name in enumerate(("pipeline", "torch", "onnx", "int8")):
        for row, key in (("bulk", "bulk_characters_per_second"), ("one by one", "single_characters_per_second")):
            value = taggers[name][key] / taggers["pipeline"][key]
            found["Tagging", f"{row}, characters/s against pipeline#{at}"] = (at, value)
    for one in results["heads"]["compared"]:
        value = one["characters_per_second"] / one["committed_characters_per_second"]
        found["Training other heads and alignments", one["title"]] = (0, value)
    repro = results["pipeline"]["repro"]
    found["`dvc repro` with nothing to do", "this pipeline"] = (0, repro["pipeline"] / repro["empty"])
    if "light" in results:
        found |= light_ratios(results["light"])
    if "overhead" in results:
        value = results["overhead"]["pipeline"] / results["overhead"]["import"]
        found["A pipeline with next to no work", "all stages, `dvc exp run`"] = (0, value)
    return found


def light_ratios(light: dict[str, Any]) -> dict[tuple[str, str], tuple[int, float]]:
    found: dict[tuple[str, str], tuple[int, float]] = {}
    for runtime, seconds in light["cold"].items():
        for at, other in enumerate(("bare", "baseline")):
            found["Starting to tag", f"`--runtime {runtime}`#{at}"] = (at, seconds["ours"] / seconds[other])
    for at, runtime in enumerate(("torch", "onnx", "int8")):
        ours, before = (light["warm"][runtime][side] for side in ("ours", "baseline"))
        key = "bulk_characters_per_second"
        found["Tagging, warm", f"bulk against 3ec9ba5#{at}"] = (at, ours[key] / before[key])
    return found


def assert_ratios(text: str, results: dict[str, Any]) -> None:
    shown = cells(text)
    for (title, row), (at, value) in ratios(results).items():
        assert shown[title, row.partition("#")[0]][at] == f"{value:.2f} ×", (title, row)


def test_ratios_on_the_page_are_those_of_the_raw_numbers(results: dict[str, Any]) -> None:
    assert_ratios(report.markdown(results), results)


def test_committed_page_is_what_its_raw_numbers_give() -> None:
    """After a change of the wording: ``python -m bench.report``."""
    results, text = read_json(ROOT / "docs/bench.json"), (ROOT / "docs/bench.md").read_text(encoding="utf-8")
    assert report.markdown(results) == text
    assert_ratios(text, results)


def test_page_begins_with_how_it_was_made(results: dict[str, Any]) -> None:
    text = report.markdown(results)
    assert text.startswith("# Bench\n\nWritten by `make bench`;")
    assert "of one run of 10 minutes" in text and "in turns with crf over pieces" in text


@pytest.mark.parametrize("part", PARTS)
def test_page_has_whole_tables_whichever_part_was_measured(part: str, results: dict[str, Any]) -> None:
    common = ("command", "seconds", "machine", "data", "peaks")
    few = {name: results[name] for name in (*common, part)}
    text = report.markdown(few)
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert [len(lines) - 2 for lines in blocks] == [len(table.rows) for table in tables(few)]
    for lines in blocks:
        assert len({line.count("|") for line in lines}) == 1
    assert ("bench.png" in text) == (part in ("training", "tagging"))


def test_write_renders_the_folders_own_numbers(tmp_path: Path, results: dict[str, Any]) -> None:
    write_json(tmp_path / "bench.json", results)
    report.write(tmp_path)
    assert (tmp_path / "bench.md").read_text(encoding="utf-8") == report.markdown(results)


def test_terminal_shows_the_numbers_of_the_page(results: dict[str, Any]) -> None:
    stream = io.StringIO()
    report.show(results, Console(file=stream, width=250))
    shown = stream.getvalue()
    for table in tables(results):
        for row in table.rows:
            assert all(cell in shown for cell in row), (table.title, row)
        assert all(note in shown.replace("\n", " ") for note in table.notes if len(note) < 200)
