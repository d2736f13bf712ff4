"""The evaluate stage: the test split tagged as a user's text is, scored, and its errors sorted."""

import json
import logging
import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.changed_params import write_params
from support.places import ROOT
from support.tiny import TAGS, TYPES, tiny_tagger_folder
from support.tracking_repository import PARAMS, free_port

from clue_ner.common.files import read_json, write_checksums, write_json
from clue_ner.core import device
from clue_ner.core.entities import Sentence, fingerprint, types_of
from clue_ner.core.sentences import write_sentences
from clue_ner.core.tag_map import tag_map
from clue_ner.corpora.sample import parse
from clue_ner.tagger.config import TaggerConfig
from clue_ner.tracking import Journal

main: Callable[[Path], None] = runpy.run_path(str(ROOT / "stages/evaluate.py"))["main"]
TEST = [
    parse("[李雷|name]在[上海|address]的[招商银行|company]", "1"),
    parse("[李雷|name]去了[上海一|address]", "2"),
    parse("一人在[我们|company]", "3"),
]
"""The tagger finds 5 entities, 4 of them right; there are 6."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tagger that knows three types, by heart."""
    return tiny_tagger_folder(tmp_path_factory.mktemp("model") / "tagger", lexicon=TAGS)


@pytest.fixture
def evaluate(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """``evaluate(test, valid)`` runs the stage on these splits; metrics/evaluate.json."""
    monkeypatch.setenv("CLUE_NER_HOME", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")  # where nothing answers

    def run(test: list[Sentence] | None, valid: list[Sentence] | None = None) -> dict[str, Any]:
        write_params(tmp_path, evaluate={"bootstrap": 100})
        shutil.copytree(model, tmp_path / "models/tagger", dirs_exist_ok=True)
        for folder, split, sentences in (("corpus", "valid", valid), ("test", "test", test)):
            splits = {}
            if sentences is not None:
                write_sentences(tmp_path / f"data/{folder}/{split}.jsonl", sentences)
                splits[split] = {"sentences": len(sentences), "fingerprint": fingerprint(sentences)}
            described = {"name": "tiny", "types": types_of(sentences or ()), "splits": splits}
            write_json(tmp_path / f"data/{folder}/corpus.json", described)
            write_checksums(tmp_path / f"data/{folder}")
        for name in ("corpus", "alignment"):
            write_json(tmp_path / f"metrics/{name}.json", {"warnings": [f"a warning of {name}"]})
        main(tmp_path)
        found: dict[str, Any] = read_json(tmp_path / "metrics/evaluate.json")
        return found

    return run


def test_evaluate_scores_test_and_sorts_its_errors(tmp_path: Path, evaluate: Any) -> None:
    scores = evaluate(TEST)
    assert (scores["split"], scores["sentences"], scores["entities"]) == ("test", 3, 6)
    assert scores["fingerprint"] == fingerprint(TEST)
    micro = scores["micro"]
    assert (micro["precision"], micro["recall"]) == (pytest.approx(4 / 5), pytest.approx(4 / 6, abs=1e-6))
    assert micro["f1"] == pytest.approx(2 * 4 / (5 + 6), abs=1e-6)
    low, high = micro["f1_ci95"]
    assert low <= micro["f1"] <= high
    assert scores["errors"]["counts"] == {
        "boundary": 1, "type": 0, "boundary_and_type": 0, "missed": 1, "spurious": 0
    }  # fmt: skip
    assert scores["alignment"]["sentences"] == 3
    assert scores["warnings"] == {"count": 2, "texts": ["a warning of corpus", "a warning of alignment"]}
    rows = [json.loads(line) for line in (tmp_path / "data/predictions/test.jsonl").read_text().splitlines()]
    assert [row["text"] for row in rows] == [sentence.text for sentence in TEST]
    assert [[entity["type"] for entity in row["predicted"]] for row in rows] == [
        ["name", "address", "company"],
        ["name", "address"],
        [],
    ]
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == [
        "confusion.csv",
        "confusion.png",
        "per_type.csv",
        "per_type.png",
    ]
    assert not any(s.text in path.read_text() for s in TEST for path in (tmp_path / "metrics").iterdir())


def test_evaluate_says_and_records_where_it_tags(
    tmp_path: Path, evaluate: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The machine has an NVIDIA card, but torch cannot use it."""
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(device, "NVIDIA", tmp_path / "nvidiactl")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with caplog.at_level(logging.INFO, "clue_ner"):
        assert evaluate(TEST)["device"] == "cpu"
    assert "tagging on cpu" in caplog.messages
    assert "this machine has an NVIDIA GPU, but the CPU computes" in caplog.text


def test_evaluate_gives_the_same_bytes_again(tmp_path: Path, evaluate: Any) -> None:
    def written() -> dict[str, bytes]:
        folders = ("metrics", "plots", "data/predictions")
        return {str(path): path.read_bytes() for folder in folders for path in (tmp_path / folder).iterdir()}

    evaluate(TEST)
    first = written()
    evaluate(TEST)
    assert written() == first


def test_evaluate_scores_a_type_that_only_test_has(tmp_path: Path, evaluate: Any) -> None:
    """It counts as missed wherever it occurs; the model has no tag for it."""
    without = evaluate(TEST)
    scores = evaluate([*TEST, parse("一人去了[昨天|scene]", "4")])
    assert scores["micro"]["per_type"]["scene"] == {
        "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1, "f1_ci95": [0.0, 0.0]
    }  # fmt: skip
    assert scores["micro"]["recall"] == pytest.approx(4 / 7, abs=1e-6)
    assert scores["micro"]["precision"] == without["micro"]["precision"]
    types = len(TYPES)
    assert scores["official"]["macro_f1"] == pytest.approx(
        without["official"]["macro_f1"] * types / (types + 1), abs=1e-5
    )
    assert scores["errors"]["per_type"]["scene"]["missed"] == 1
    assert scores["alignment"]["entities"] == 7
    assert "scene" in (tmp_path / "plots/confusion.csv").read_text()
    tags = read_json(tmp_path / "models/tagger/tagger.json")["tags"]
    assert tags == tag_map("BIO", TYPES)["tags"]
    assert not any("scene" in tag for tag in tags)


def test_evaluate_without_test_scores_valid_with_a_warning(
    evaluate: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="clue_ner"):
        scores = evaluate(None, valid=TEST)
    assert (scores["split"], scores["fingerprint"]) == ("valid", fingerprint(TEST))
    assert scores["warnings"]["texts"][2].startswith("the scores are on valid, which also chose the epoch")
    assert all(f"warning: {text}" in caplog.messages for text in scores["warnings"]["texts"])
    assert (tmp_path / "data/predictions/valid.jsonl").exists()
    assert scores["micro"]["f1"] == evaluate(TEST)["micro"]["f1"]


def test_evaluate_without_any_split_scores_nothing(evaluate: Any, tmp_path: Path) -> None:
    scores = evaluate(None)
    assert (scores["split"], scores["fingerprint"], scores["alignment"]["sentences"]) == (None, None, 0)
    assert not {"micro", "lenient", "official"} & scores.keys()
    assert scores["warnings"]["texts"][2].startswith("not scored: the corpus has neither test nor valid")
    assert sorted(path.name for path in (tmp_path / "data/predictions").iterdir()) == ["errors.json", "lost.json"]
    assert (tmp_path / "plots/per_type.csv").read_text() == "type,score,f1,low,high\n"
    assert (tmp_path / "plots/confusion.csv").read_text() == "actual,predicted\n"
    assert (tmp_path / "plots/per_type.png").stat().st_size > 1000


def test_evaluate_adds_to_the_journal_of_the_training(tmp_path: Path, evaluate: Any, model: Path) -> None:
    journal = Journal(tmp_path, TaggerConfig.load(model).trained.fingerprint)
    journal.begin(PARAMS, {}, "seed: 0\n", {})
    scores = evaluate(TEST)
    record = journal.read()
    assert record is not None
    assert record.points["test/micro_f1", 0][0] == pytest.approx(scores["micro"]["f1"], abs=1e-6)
    assert "plots/confusion.png" in record.artifacts
    assert record.tags == {"clue_ner.warnings": "a warning of corpus\na warning of alignment"}
    for folder in ("corpus", "test"):
        shutil.rmtree(tmp_path / "data" / folder)
    evaluate(None)
    assert len(journal.read().points) == len(record.points)  # type: ignore[union-attr]
