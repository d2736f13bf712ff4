"""What ``clue-ner tag`` writes besides a line for a line."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from support.commands import ENTITIES, TEXT, elsewhere, found, records, run  # noqa: F401
from support.tiny import TAGS, tiny_tagger_folder

from clue_ner.layouts import read
from clue_ner.tagger.config import TaggerConfig

CONTENT = f'{{"id": 7, "text": "{TEXT}", "来源": [1]}}\n{{"text": "没有人"}}\n'


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_tagger_folder(tmp_path_factory.mktemp("model") / "tagger", lexicon=TAGS)


@pytest.fixture(scope="module")
def unsure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights, which is sure of nothing."""
    return tiny_tagger_folder(tmp_path_factory.mktemp("unsure") / "tagger", "softmax", seed=1)


def spans(path: Path, layout: str = "auto") -> list[list[tuple[int, int, str]]]:
    return [[(e.start, e.end, e.type) for e in record.sentence.entities] for record in read(path, layout)]


def test_tag_writes_a_file_as_it_writes_standard_output(model: Path, tmp_path: Path) -> None:
    for name in ("out.jsonl", "out"):
        result = run("tag", "--model", model, "--out", name, content=CONTENT)
        assert (result.exit_code, result.stdout) == (0, "")
        assert (tmp_path / name).read_bytes() == run("tag", "--model", model, content=CONTENT).stdout_bytes


@pytest.mark.parametrize(
    ("name", "to"),
    [
        ("out.json", "label_studio"),
        ("out.jsonl", "doccano"),
        ("out.txt", "conll"),
        ("out", "brat"),
        ("out.csv", None),
        ("out.parquet", None),
        ("out.json", "clue"),
    ],
)
def test_tag_writes_layouts(model: Path, tmp_path: Path, name: str, to: str | None) -> None:
    chosen = ["--to", to] if to else []
    result = run("tag", "--model", model, "--out", name, *chosen, content=CONTENT)
    assert result.exit_code == 0, result.stderr
    options: dict[str, Any] = {"labels": "predictions"} if to == "label_studio" else {}
    made = list(read(tmp_path / name, to or "auto", options))
    wanted = [[(e["start"], e["end"], e["type"]) for e in ENTITIES], []]
    assert [[(e.start, e.end, e.type) for e in record.sentence.entities] for record in made] == wanted
    assert [record.sentence.text for record in made] == [TEXT, "没有人"]


def test_tag_counts_what_a_layout_cannot_say(model: Path, tmp_path: Path) -> None:
    content = '{"text": "李雷"}\n{\n{"text": ""}\n{"text": "上海\\ud83d"}\n'
    result = run("tag", "--model", model, "--out", "a.jsonl", "--to", "doccano", content=content)
    assert result.exit_code == 1
    assert spans(tmp_path / "a.jsonl", "doccano") == [[(0, 2, "name")]]
    lines = result.stderr.splitlines()
    for line in ("lines that could not be read: 1", "lines without a text: 2", "scores: 1"):
        assert f"left out: {line}" in lines
    assert lines[-1] == "error: 1 of the lines could not be read"


def test_tag_leaves_no_file_if_it_fails(model: Path, tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text("of before", encoding="utf-8")
    (tmp_path / "bad.csv").write_text('text\n李雷\n"', encoding="utf-8")
    result = run("tag", "--model", model, "--out", "out.jsonl", "bad.csv")
    assert result.exit_code == 1
    assert "bad.csv:3: not CSV" in result.stderr
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == "of before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv", "out.jsonl"]


def test_tag_reads_tables(model: Path, tmp_path: Path) -> None:
    with (tmp_path / "in.csv").open("w", encoding="gb18030", newline="") as stream:
        csv.writer(stream).writerows([["号", "正文"], ["1", "李雷的\n上海"], ["2", "好, 好"]])
    result = run("tag", "--model", model, "--text-key", "正文", "--encoding", "gb18030", "in.csv")
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert (first["号"], first["正文"]) == ("1", "李雷的\n上海")
    assert [entity["text"] for entity in first["entities"]] == ["李雷", "上海"]
    assert second == {"号": "2", "正文": "好, 好", "entities": []}
    run("tag", "--model", model, "--text-key", "正文", "--encoding", "gb18030", "--out", "in.parquet", "in.csv")
    again = run("tag", "--model", model, "in.parquet")
    assert [found(record) for record in records(again)] == [found({**first, "text": first["正文"]}), []]


def test_tag_leaves_out_other_types_and_lower_scores(model: Path, unsure: Path) -> None:
    result = run("tag", "--model", model, "--types", "name, address", content=TEXT)
    assert {entity["type"] for entity in records(result)[0]["entities"]} == {"name", "address"}
    every = records(run("tag", "--model", unsure, content=TEXT * 3))[0]["entities"]
    middle = sorted(entity["score"] for entity in every)[len(every) // 2]
    kept = records(run("tag", "--model", unsure, "--min-score", middle, content=TEXT * 3))[0]["entities"]
    assert kept == [entity for entity in every if entity["score"] >= middle]
    assert 0 < len(kept) < len(every)


def test_tag_names_model_version_and_training(model: Path, tmp_path: Path) -> None:
    fingerprint = TaggerConfig.load(model).trained.fingerprint
    result = run("tag", "--model", model, "--provenance", content=f"{TEXT}\n")
    assert records(result)[0]["model"] == {"name": str(model), "version": None, "fingerprint": fingerprint}
    result = run("tag", "--model", model, "--provenance", "--format", "jsonl", content="{\n")
    assert list(records(result)[0]) == ["error"]
    run("tag", "--model", model, "--provenance", "--out", "a.json", "--to", "label_studio", content=TEXT)
    (task,) = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert task["predictions"][0]["model_version"] == f"{model} {fingerprint}"
    assert all("score" in one for one in task["predictions"][0]["result"])


def test_tag_gives_the_texts_to_label_next(unsure: Path, tmp_path: Path) -> None:
    texts = ["李雷在上海", "李雷 在上海！", "昨天我们去了的一人", "招商银行0１aA", "", "。", "的一人"]
    content = "".join(f"{text}\n" for text in texts)
    made = records(run("tag", "--model", unsure, "--uncertain", 9, content=content))
    assert {record["text"] for record in made} == {texts[0], texts[2], texts[3], texts[6]}
    scores = [record["uncertainty"] for record in made]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 0
    result = run("tag", "--model", unsure, "--uncertain", 2, content=content)
    assert records(result) == made[:2]
    assert "near-duplicates" not in result.stderr
    result = run("tag", "--model", unsure, "--uncertain", 9, "--out", "a.json", "--to", "label_studio", content=content)
    assert result.exit_code == 0
    assert "only 4 texts: there are no more, or they are near-duplicates of these" in result.stderr
    tasks = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert [task["data"]["text"] for task in tasks] == [record["text"] for record in made]


def test_tag_of_uncertain_texts_reports_lines_that_cannot_be_read(model: Path) -> None:
    result = run("tag", "--model", model, "--uncertain", 1, "--format", "jsonl", content='{"text": "李雷"}\n{\n')
    assert result.exit_code == 1
    assert [record["text"] for record in records(result)] == ["李雷"]
    assert result.stderr.splitlines()[-1] == "error: 1 of the lines could not be read"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "doccano"], "--to doccano needs a file: name it with --out"),
        (["--out", "a.json"], "name the layout of a.json with --to: "),
        (["--out", "a.xyz"], "name the layout of a.xyz with --to: "),
        (["--option", "ends=inclusive"], "--option goes with the layout of --out"),
        (["--out", "a.txt", "--to", "conll", "--option", "scheme=BOI"], "scheme: wanted "),
        (["--out", "a.txt", "--to", "conll", "--provenance"], "--provenance: conll cannot store it; write JSON"),
        (["--types", "nmae"], "--types: the model has no type 'nmae'; it has address, company, name"),
        (["--uncertain", "0"], "0 is not in the range"),
        (["--min-score", "2"], "2.0 is not in the range"),
    ],
)
def test_tag_wrong_usage(model: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    result = run("tag", "--model", model, *arguments, content=TEXT)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert list(tmp_path.iterdir()) == []


def test_tag_writes_what_can_be_read_again(unsure: Path, tmp_path: Path) -> None:
    run("tag", "--model", unsure, "--uncertain", 2, "--provenance", "--out", "a.jsonl", content="李雷在上海\n我们\n")
    reading = read(tmp_path / "a.jsonl")
    assert {record.sentence.text for record in reading} == {"李雷在上海", "我们"}
    assert sum(reading.counts.values()) == 4
