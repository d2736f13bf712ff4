"""Labels that contradict each other, and what splits share."""

import pytest
from support.sentences import marked, marked_all

from clue_ner.data_report.labels import nearly_leaked, same_text, several_types, unlabelled_occurrences, unseen


def test_labels_of_several_types() -> None:
    sentences = marked_all("{曼城|organization}和{曼城|address}", "{曼城|organization}", "{上海|address}{上海|address}")
    found = several_types([*sentences, *marked_all("{李|name}", "{李|position}")], examples=1)
    assert (found["surfaces"], found["entities"]) == (2, 5)
    assert found["examples"] == [{"text": "曼城", "types": {"organization": 2, "address": 1}}]


def test_labels_of_one_span_with_two_types_are_several() -> None:
    one = marked("{上海|address}")
    two = type(one)("1", one.text, (*one.entities, type(one.entities[0])(0, 2, "name")))
    assert several_types([two], examples=0)["surfaces"] == 1


@pytest.mark.parametrize(
    ("others", "places"),
    [
        (["去上海", "上海和上海"], 3),
        (["去上海", "上海和上海", "上海"], 0),  # as often as not: it is no slip
        (["去上", "海"], 0),
        (["{大上海|scene}", "{上|name}海"], 0),  # an entity covers some of it
        (["{李雷|name}上海"], 1),
    ],
)
def test_labels_that_are_missing_elsewhere(others: list[str], places: int) -> None:
    labelled = ["{上海|address}"] * 4
    found = unlabelled_occurrences(marked_all(*labelled, *others), examples=3)
    assert found["places"] == places
    assert found["surfaces"] == bool(places)
    if places:
        assert found["examples"][0] == {
            "text": "上海",
            "labelled": 4,
            "unlabelled": places,
            "ids": ["5", "6", "6"][:places],
        }


def test_labels_that_are_rare_or_short_are_not_looked_for() -> None:
    rare = marked_all("{上海|address}", "{上海|address}", "去上海")
    short = marked_all(*["{李|name}"] * 9, "李")
    assert unlabelled_occurrences(rare, 1)["places"] == 0
    assert unlabelled_occurrences(short, 1)["places"] == 0


def test_labels_of_the_same_text() -> None:
    splits = {
        "train": marked_all("{李雷|name}在", "{韩梅|name}在", "在家"),
        "test": marked_all("{李雷|position}在", "{韩梅|name}在", "别的"),
    }
    found = same_text(splits, examples=9)
    assert (found["texts"], found["other_labels"]) == (2, 1)
    (one,) = found["examples"]
    assert one["text"] == "李雷在"
    assert one["labels"] == [
        {"split": "train", "id": "1", "entities": [["name", 0, 2]]},
        {"split": "test", "id": "1", "entities": [["position", 0, 2]]},
    ]
    assert same_text(splits, examples=0)["examples"] == []


def test_labels_that_train_has_not() -> None:
    train = marked_all("{李雷|name}在{上海|address}", "{长安|address}")
    test = marked_all("{李雷|name}在{北京|address}", "{长安|name}{长安|address}")
    assert unseen(train, test) == {
        "entities": 4,
        "unseen": 2,
        "share": 0.5,
        "other_type": 1,
        "per_type": {"address": {"entities": 2, "unseen": 1}, "name": {"entities": 2, "unseen": 1}},
    }
    assert unseen(train, [])["share"] == 0


def test_labels_of_texts_that_are_nearly_the_same() -> None:
    splits = {
        "train": marked_all("李雷在上海。", "ＡＢ公司"),
        "valid": marked_all("李雷在上海。", "李雷 在上海！", "别的"),
        "test": marked_all("ab公司…", "别的，", "。", "！"),
    }
    assert nearly_leaked(splits) == {"valid": 1, "test": 2}


def test_labels_of_texts_without_letters_are_no_near_leaks() -> None:
    splits = {"train": marked_all("。。。", "？"), "valid": marked_all("！", "…")}
    assert nearly_leaked(splits) == {"valid": 0}
