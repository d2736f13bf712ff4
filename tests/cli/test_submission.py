import json

import pytest

from clue_ner.cli.records import Line
from clue_ner.cli.submission import identified, identified_sentences, render, validate
from clue_ner.common.errors import CorpusError
from clue_ner.core.entities import Entity, Sentence

TYPES = ["address", "name"]
TEXTS = {0: "李雷在上海，上海的人", "b": "没有"}
GOOD = [
    {"id": 0, "label": {"name": {"李雷": [[0, 1]]}, "address": {"上海": [[3, 4], [6, 7]]}}},
    {"id": "b", "label": {}},
]


def lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


def labelled(label):
    return lines({"id": 0, "label": label}, GOOD[1])


def test_submission_render_writes_inclusive_ends_by_type_and_surface():
    entities = [[Entity(6, 8, "address"), Entity(0, 2, "name", 0.9), Entity(3, 5, "address")], []]
    content = render(TEXTS, entities, TYPES)
    assert content.splitlines() == [
        '{"id": 0, "label": {"name": {"李雷": [[0, 1]]}, "address": {"上海": [[3, 4], [6, 7]]}}}',
        '{"id": "b", "label": {}}',
    ]


def test_submission_render_takes_any_character():
    text = "\x00😀\u2028\ud800\n\x0b"
    content = render({1: text}, [[Entity(1, 5, "name"), Entity(5, 6, "address")]], TYPES)
    assert json.loads(content.encode())["label"] == {
        "name": {"😀\u2028\ud800\n": [[1, 4]]},
        "address": {"\x0b": [[5, 5]]},
    }


def test_submission_render_refuses_types_that_are_not_known():
    with pytest.raises(CorpusError, match=r"line 1: label\.film: unknown type; there are address, name"):
        render({0: "上海"}, [[Entity(0, 2, "film")]], TYPES)


def test_submission_validate_takes_what_is_right_in_any_order():
    validate(lines(*GOOD), TEXTS, TYPES)
    validate(lines(*reversed(GOOD)), TEXTS, TYPES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lines(GOOD[0]), "id 'b' has no line"),
        ("", "line 1: not JSON"),
        (lines(*GOOD) + "{\n", "line 3: not JSON"),
        (lines(*GOOD, GOOD[1]), "line 3: id 'b' occurs twice"),
        (lines(*GOOD, {"id": 2, "label": {}}), "line 3: id 2 was not in the input"),
        (lines(*GOOD, {"id": "0", "label": {}}), "line 3: id '0' was not in the input"),
        (lines(*GOOD, {"id": False, "label": {}}), 'line 3: wanted {"id": …, "label": …}'),
        (lines(*GOOD, {"id": None, "label": {}}), 'line 3: wanted {"id": …, "label": …}'),
        (lines(*GOOD, {"id": 0}), 'line 3: wanted {"id": …, "label": …}'),
        (lines(*GOOD, {"id": 0, "label": {}, "text": ""}), 'line 3: wanted {"id": …, "label": …}'),
        (lines(*GOOD, []), 'line 3: wanted {"id": …, "label": …}'),
        (labelled([]), "line 1: label: wanted {type: {surface: "),
        (labelled({"name": []}), "line 1: label: wanted {type: {surface: "),
        (labelled({"film": {"李雷": [[0, 1]]}}), "line 1: label.film: unknown type; there are address, name"),
        (labelled({"name": {"李雷": []}}), "line 1: label.name.李雷: [], wanted [[start, end], …]"),
        (labelled({"name": {"李雷": [0, 1]}}), "line 1: label.name.李雷: [0, 1], wanted [[start, end], …]"),
        (labelled({"name": {"李雷": [[0, 1, 2]]}}), "wanted [[start, end], …]"),
        (labelled({"name": {"李雷": [[0, True]]}}), "wanted [[start, end], …]"),
        (labelled({"name": {"李雷": [[0, 1.0]]}}), "wanted [[start, end], …]"),
        (labelled({"name": {"李雷": [[-10, -9]]}}), "with 0 <= start <= end < 10"),
        (labelled({"name": {"李雷": [[1, 0]]}}), "with 0 <= start <= end < 10"),
        (labelled({"name": {"人": [[9, 10]]}}), "with 0 <= start <= end < 10"),
        (labelled({"name": {"李雷": [[0, 1], [0, 2]]}}), "line 1: label.name.李雷: the text has '李雷在' at [0, 2]"),
    ],
)
def test_submission_validate_names_what_is_wrong(content, message):
    with pytest.raises(CorpusError, match="wrong") as info:
        validate(content, TEXTS, TYPES)
    assert message in str(info.value)
    assert "docs/cli.md" in str(info.value)


def test_submission_ids_are_those_of_the_lines_or_their_places():
    records = [
        {"text": "零"},
        {"text": "七", "id": 7},
        {"text": "二"},
        {"text": "四", "id": "4"},
        {"text": "一", "id": "01"},
    ]
    assert list(identified(Line("", record) for record in records).items()) == [
        (0, "零"),
        (7, "七"),
        (2, "二"),
        (4, "四"),
        ("01", "一"),
    ]


def test_submission_ids_of_a_split_are_numbers_again():
    sentences = [Sentence(i, i) for i in ("10", "test-3", "９", "9" * 5000)]
    assert list(identified_sentences(sentences)) == [10, "test-3", "９", "9" * 5000]


def test_submission_bad_lines_and_ids_come_in_one_message():
    bad = [
        Line("f:1", {}, "f:1: not JSON"),
        Line("f:2", {"text": "a", "id": 5}),
        Line("f:3", {"text": "b", "id": "5"}),
        Line("f:4", {"text": "c", "id": 1.5}),
        Line("f:5", {"text": "d", "id": None}),
        Line("f:6", {"text": "e", "id": True}),
    ]
    with pytest.raises(CorpusError, match="5 wrong") as info:
        identified(bad)
    assert [line.strip() for line in str(info.value).splitlines()] == [
        "5 wrong",
        "f:1: not JSON",
        "f:3: id 5 also occurs in an earlier line; wanted each id once",
        "f:4: id is 1.5, wanted a whole number or a string",
        "f:5: id is None, wanted a whole number or a string",
        "f:6: id is True, wanted a whole number or a string",
        "fix these lines and run again",
    ]
