import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.servers import COMMIT, hub_handler, serve, use_hub

from clue_ner.cli import convert as module
from clue_ner.cli.main import main
from clue_ner.common import progress
from clue_ner.core import plugins
from clue_ner.layouts import _array, read, write

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


def test_convert_recognises_with_the_options_of_what_it_reads(tmp_path: Path) -> None:
    source = put(tmp_path / "in.jsonl", {"content": "李雷。", "entities": [{"type": "name", "start": 1, "end": 3}]})
    out = tmp_path / "out.jsonl"
    result = convert(source, out, "--option", "in.text=content", "--option", "in.first=1", "--option", "out.text=s")
    assert result.exit_code == 0, result.output
    assert json.loads(out.read_text(encoding="utf-8"))["entities"] == [
        {"type": "name", "start": 0, "end": 2, "text": "李雷"}
    ]


def test_convert_says_what_a_name_is_not(tmp_path: Path) -> None:
    missing = convert("org/ner", tmp_path / "out.jsonl")
    assert missing.exit_code == 2
    assert "org/ner: no such file or folder; for a data set on the Hugging Face hub add --from" in missing.output
    assert "add --from" not in convert("in/train.jsonl", tmp_path / "out.jsonl").output
    source = put(tmp_path / "in.jsonl", GOOD)
    for option in ("--revision", "--split"):
        result = convert(source, tmp_path / "out.jsonl", option, "main")
        assert (result.exit_code, f"{option} needs" in result.output) == (2, True)
    folder = convert(source, tmp_path, "--to", "csv")
    assert (folder.exit_code, "is a folder; name the file to write" in folder.output) == (1, True)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The hub has org/ner: two files of train, one of test."""
    row = {"text": "李雷在上海。", "entities": [{"label": "name", "start_offset": 0, "end_offset": 2}]}
    content = json.dumps(row).encode()
    names = ("train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl", "test.jsonl")
    with serve(hub_handler("dataset", {"org/ner": dict.fromkeys(names, content)})) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        yield


@pytest.mark.usefixtures("hub")
def test_convert_reads_a_split_of_a_data_set_of_the_hub(tmp_path: Path) -> None:
    out, hugging_face = tmp_path / "out.jsonl", ("--from", "hugging_face")
    result = convert("org/ner", out, *hugging_face, "--revision", "main")
    assert result.exit_code == 0, result.output
    assert f"org/ner: read from org/ner, commit {COMMIT}: train, of train, test" in result.output
    assert "out.jsonl: 2 sentences, 2 entities as jsonl" in result.output
    assert convert("org/ner", out, *hugging_face, "--split", "test").exit_code == 0
    assert len(out.read_text(encoding="utf-8").splitlines()) == 1
    wrong = convert("org/ner", out, *hugging_face, "--split", "valid")
    assert (wrong.exit_code, "it has no split valid; there are train, test" in wrong.output) == (1, True)
    (tmp_path / "hub").rename(tmp_path / "other")
    assert "did not provide it" in convert("org/nothing", out, *hugging_face).output


@pytest.mark.usefixtures("hub")
def test_convert_takes_a_folder_before_a_data_set_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "org/ner", read(put(tmp_path / "in.jsonl", GOOD)), "hugging_face")
    monkeypatch.chdir(tmp_path)
    result = convert("org/ner", "out.jsonl", "--from", "hugging_face")
    assert (result.exit_code, "out.jsonl: 1 sentences" in result.output) == (0, True), result.output


@pytest.mark.parametrize("layout", plugins.names(plugins.LAYOUTS))
def test_convert_shows_the_time_that_is_left(layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = list(read(put(tmp_path / "in.jsonl", *[{**GOOD, "id": str(number)} for number in range(200)])))
    write(tmp_path / "in", records, layout)
    monkeypatch.setattr(module, "SHOWN", 1)
    monkeypatch.setattr(_array, "PIECE", 2**10)
    assert " left" not in convert(tmp_path / "in", tmp_path / "short.jsonl").output
    monkeypatch.setattr(progress, "SECONDS", 0.0)
    result = convert(tmp_path / "in", tmp_path / "out.jsonl")
    shown = [int(line.split(": ")[1].split(" of ")[0]) for line in result.output.splitlines() if line.endswith(" left")]
    assert result.exit_code == 0, result.output
    assert shown == sorted(set(shown))
    assert shown
    assert all(0 < percent < 100 for percent in shown)


def test_convert_counts_what_is_read_over_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHOWN", 1)
    path = put(tmp_path / "in.jsonl", *[{**GOOD, "id": str(number)} for number in range(30)])
    steps: list[int] = []
    records = module._Records([read(path), read(path)], steps.append)
    done = [sum(steps) for _ in records]
    assert done[29] == 50
    assert done == sorted(done)
    assert (done[-1], records.sentences, records.entities) == (100, 60, 60)


def test_convert_warns_of_a_file_without_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "in.bio").touch()
    result = convert(tmp_path / "in.bio", tmp_path / "out.jsonl", "--from", "conll")
    assert (result.exit_code, "warning: " in result.output, "no sentence in it" in result.output) == (0, True, True)
    assert "warning" not in convert(put(tmp_path / "in.jsonl", GOOD), tmp_path / "out.jsonl").output
