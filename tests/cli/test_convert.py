import json
from pathlib import Path

from click.testing import CliRunner, Result

from clue_ner.cli.main import main

GOOD = {"id": "a", "text": "李雷在上海。", "entities": [{"type": "name", "start": 0, "end": 2, "score": 0.5}]}


def convert(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["convert", *map(str, arguments)])


def put(path: Path, *records: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_convert_says_what_it_read_wrote_and_left_out(tmp_path: Path) -> None:
    source = put(tmp_path / "in.jsonl", {**GOOD, "entities": [*GOOD["entities"], *GOOD["entities"]]})  # type: ignore[misc]
    result = convert(source, tmp_path / "out.bio", "--option", "scheme=BMES")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out.bio").read_text(encoding="utf-8").split("\n")[:3] == ["李 B-name", "雷 E-name", "在 O"]
    assert f"{source}: read as jsonl: JSON lines whose entities have a type" in result.output
    assert "out.bio: 1 sentences, 1 entities as conll" in result.output
    assert "read: entities listed twice, kept once: 1" in result.output
    assert "left out: ids: 1" in result.output
    assert "left out: scores: 1" in result.output


def test_convert_writes_nothing_if_anything_is_wrong(tmp_path: Path) -> None:
    source = put(tmp_path / "in.jsonl", GOOD, {"text": "", "entities": []})
    out = tmp_path / "out.csv"
    out.write_text("before", encoding="utf-8")
    result = convert(source, out)
    assert result.exit_code == 1
    assert "in.jsonl:2: text: wanted at least 1 character" in result.output
    assert out.read_text(encoding="utf-8") == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.csv"]


def test_convert_leaves_out_only_with_lossy(tmp_path: Path) -> None:
    source = put(tmp_path / "in.jsonl", GOOD, {"text": "谁？"})
    result = convert(source, tmp_path / "out.txt", "--to", "conll")
    assert result.exit_code == 1
    assert "in.jsonl:2: a sentence that is not labelled" in result.output
    result = convert(source, tmp_path / "out.txt", "--to", "conll", "--lossy")
    assert result.exit_code == 0
    assert "left out: a sentence that is not labelled: 1" in result.output


def test_convert_options_belong_to_one_of_the_two(tmp_path: Path) -> None:
    source = put(tmp_path / "in.jsonl", GOOD)
    both = convert(source, tmp_path / "out.csv", "--from", "jsonl", "--option", "first=1")
    assert (both.exit_code, "write in.first or out.first" in both.output) == (2, True)
    assert convert(source, tmp_path / "out.csv", "--option", "out.first=1").exit_code == 0
    assert '""start"": 1, ""end"": 3' in (tmp_path / "out.csv").read_text(encoding="utf-8")
    wrong = convert(source, tmp_path / "out.csv", "--option", "frist=1")
    assert (wrong.exit_code, "no option of jsonl or csv" in wrong.output) == (2, True)
    unnamed = convert(source, tmp_path / "out.json")
    assert (unnamed.exit_code, "name the layout" in unnamed.output) == (2, True)
