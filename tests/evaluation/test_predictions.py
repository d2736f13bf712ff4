import json
from pathlib import Path

import pytest

from clue_ner.common.files import read_json, write_checksums, write_json
from clue_ner.core.entities import Entity, Sentence
from clue_ner.core.sentences import SPLITS, write_sentences
from clue_ner.evaluation import predictions

TEXT = "李雷昨天去了上海"
GOLD = [
    Sentence("1", TEXT, (Entity(0, 2, "name"), Entity(6, 8, "address"))),
    Sentence("2", "今天下雨。"),
]


def write_splits(root: Path, **splits: list[Sentence]) -> None:
    """The folders of the splits as the stage download leaves them; a split's fingerprint is its folder."""
    for folder in dict.fromkeys(SPLITS.values()):
        described = {split: {"fingerprint": folder} for split in splits if SPLITS[split] == folder}
        write_json(root / folder / "corpus.json", {"splits": described})
    for split, sentences in splits.items():
        write_sentences(root / SPLITS[split] / f"{split}.jsonl", sentences)
    for folder in dict.fromkeys(SPLITS.values()):
        write_checksums(root / folder)


def test_to_score_is_test_where_there_is_one(tmp_path: Path) -> None:
    write_splits(tmp_path, valid=GOLD[1:], test=GOLD)
    assert predictions.to_score(tmp_path) == ("test", GOLD, "data/test")


def test_to_score_is_valid_without_test(tmp_path: Path) -> None:
    write_splits(tmp_path, valid=GOLD)
    assert predictions.to_score(tmp_path) == ("valid", GOLD, "data/corpus")


def test_to_score_is_nothing_where_there_is_neither(tmp_path: Path) -> None:
    write_splits(tmp_path, train=GOLD)
    assert predictions.to_score(tmp_path) == (None, [], None)


@pytest.mark.parametrize(
    ("split", "f1", "entities", "wanted"),
    [
        ("test", 0.5, 9, []),
        ("test", 0.0, 0, []),
        ("test", 0.0, 9, ["the model finds none of the 9 entities of test: it has learned nothing"]),
        (
            "valid",
            0.5,
            9,
            ["the scores are on valid, which also chose the epoch, so they are too high; add a test split"],
        ),
        (
            None,
            0.0,
            0,
            ["not scored: the corpus has neither test nor valid; add test.jsonl to know how good the model is"],
        ),
    ],
)
def test_warnings_of_scores(split: str | None, f1: float, entities: int, wanted: list[str]) -> None:
    assert predictions.warnings_of(split, {"micro": {"f1": f1}, "entities": entities}) == wanted


def test_character_tags_are_bio() -> None:
    assert predictions.character_tags(GOLD, [[Entity(1, 3, "name"), Entity(6, 7, "address")], []]) == [
        ["O", "B-name", "I-name", "O", "O", "O", "B-address", "O"],
        ["O"] * 5,
    ]


def test_write_leaves_gold_and_predicted_side_by_side(tmp_path: Path) -> None:
    found = [[Entity(0, 2, "name", 0.98765), Entity(7, 8, "address")], []]
    folder = tmp_path / "data/predictions"
    (folder / "old").mkdir(parents=True)
    predictions.write(folder, "test", GOLD, found, {"counts": {"boundary": 1}}, [{"id": "2"}])
    assert sorted(path.name for path in folder.iterdir()) == ["errors.json", "lost.json", "test.jsonl"]
    lines = (folder / "test.jsonl").read_text(encoding="utf-8").splitlines()
    assert TEXT in lines[0]
    assert [json.loads(line) for line in lines] == [
        {
            "id": "1",
            "text": TEXT,
            "entities": [
                {"type": "name", "start": 0, "end": 2},
                {"type": "address", "start": 6, "end": 8},
            ],
            "predicted": [
                {"type": "name", "start": 0, "end": 2, "score": 0.9877},
                {"type": "address", "start": 7, "end": 8, "score": 0},
            ],
        },
        {"id": "2", "text": "今天下雨。", "entities": [], "predicted": []},
    ]
    assert read_json(folder / "errors.json") == {"counts": {"boundary": 1}}
    assert read_json(folder / "lost.json") == [{"id": "2"}]
