"""The options of labelled files, and what names on the command line stand for."""

from pathlib import Path

import click
import pytest
from support.commands import elsewhere  # noqa: F401

from clue_ner.cli.corpus import is_one_file, layout_of, parsed_options, placed
from clue_ner.layouts import read, write


def options(*given: str) -> dict[str, str | int]:
    return parsed_options(click.Context(click.Command("x")), click.Option(["--option"]), given)


def test_options_are_numbers_where_layouts_take_numbers() -> None:
    given = "first=1", "text=1", "ends=inclusive", "tag=-1", "text_with=a=b"
    assert options(*given) == {"first": 1, "text": "1", "ends": "inclusive", "tag": -1, "text_with": "a=b"}
    with pytest.raises(click.BadParameter, match="'first': wanted KEY=VALUE"):
        options("first")


@pytest.mark.parametrize(("name", "layout"), [("a.jsonl", "jsonl"), ("a.csv", "csv"), ("a.parquet", "parquet")])
def test_layout_is_that_of_the_name(name: str, layout: str) -> None:
    assert layout_of(Path(name), "--to") == layout


@pytest.mark.parametrize("name", ["a.json", "a.xyz", "a"])
def test_layout_that_a_name_does_not_say_is_asked_for(name: str) -> None:
    with pytest.raises(click.UsageError, match=f"name the layout of {name} with --to: "):
        layout_of(Path(name), "--to")


def test_one_file_may_be_a_folder_and_has_its_places(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"text": "好"}\n{"text": "李", "entities": [{"type": "name", "start": 0, "end": 1}]}\n', encoding="utf-8"
    )
    found = placed(tmp_path / "a.jsonl", "auto", {})
    assert [(one.where, one.labelled) for one in found] == [
        (f"{tmp_path / 'a.jsonl'}:1", False),
        (f"{tmp_path / 'a.jsonl'}:2", True),
    ]
    said = capsys.readouterr().err
    assert said.startswith(f"{tmp_path / 'a.jsonl'}: read as jsonl: ")
    assert "  read: unlabelled sentences: 1\n" in said
    write(tmp_path / "brat", list(read(tmp_path / "a.jsonl"))[1:], "brat")
    assert is_one_file(tmp_path / "a.jsonl", "auto")
    assert is_one_file(tmp_path / "brat", "auto")
    assert not is_one_file(tmp_path, "auto")
    assert not is_one_file(tmp_path / "nothing", "auto")
