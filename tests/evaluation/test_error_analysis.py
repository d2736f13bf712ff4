from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clue_ner.core.entities import Entity, Sentence
from clue_ner.evaluation import error_analysis, scores

TEXT = "王小明在上海超级工厂读红楼梦"
NAME, PLACE, BOOK = Entity(0, 3, "name"), Entity(4, 6, "address"), Entity(11, 14, "book")

spans = st.builds(
    lambda start, size, kind: Entity(start, min(start + size, len(TEXT)), kind),
    st.integers(0, len(TEXT) - 1),
    st.integers(1, 5),
    st.sampled_from(("address", "book", "name")),
)
span_lists = st.lists(spans, max_size=6)


def kinds(gold: list[Entity], predicted: list[Entity]) -> dict[str, int]:
    counts = error_analysis.analyse([Sentence("1", TEXT, tuple(sorted(gold)))], [predicted], 0)["counts"]
    return {kind: number for kind, number in counts.items() if number}


@pytest.mark.parametrize(
    ("predicted", "wanted"),
    [
        ([NAME], {}),
        ([Entity(0, 2, "name")], {"boundary": 1}),
        ([Entity(0, 4, "name")], {"boundary": 1}),
        ([Entity(0, 3, "book")], {"type": 1}),
        ([Entity(1, 3, "book")], {"boundary_and_type": 1}),
        ([], {"missed": 1}),
        ([Entity(3, 5, "name")], {"missed": 1, "spurious": 1}),
        ([NAME, Entity(3, 5, "name")], {"spurious": 1}),
        ([NAME, Entity(1, 3, "book")], {"spurious": 1}),  # overlaps only what is taken
        ([Entity(0, 3, "book"), Entity(0, 2, "name")], {"type": 1, "spurious": 1}),  # extent before type
        ([Entity(0, 3, "book"), NAME], {"spurious": 1}),  # right before all
        ([Entity(0, 2, "book"), Entity(2, 3, "name")], {"boundary": 1, "spurious": 1}),  # type before shared characters
    ],
)
def test_error_analysis_sorts_each_error_into_one_kind(predicted: list[Entity], wanted: dict[str, int]) -> None:
    assert kinds([NAME], predicted) == wanted


def test_error_analysis_pairs_one_to_one() -> None:
    assert kinds([Entity(0, 2, "name"), Entity(2, 3, "name")], [NAME]) == {"boundary": 1, "missed": 1}
    assert kinds([NAME], [Entity(0, 2, "name"), Entity(2, 3, "name")]) == {"boundary": 1, "spurious": 1}


def test_error_analysis_prefers_the_pair_that_shares_more() -> None:
    sentence = Sentence("1", TEXT, (Entity(0, 3, "name"),))
    shown = error_analysis.analyse([sentence], [[Entity(0, 1, "name"), Entity(1, 3, "name")]], 5)["examples"]
    assert [e["predicted"]["start"] for e in shown["boundary"]] == [1]
    assert [e["predicted"]["start"] for e in shown["spurious"]] == [0]


def test_error_analysis_counts_a_type_by_gold_and_a_spurious_one_by_prediction() -> None:
    sentence = Sentence("1", TEXT, (NAME, PLACE))
    per_type = error_analysis.analyse([sentence], [[Entity(0, 3, "address"), BOOK]], 0)["per_type"]
    nothing = dict.fromkeys(error_analysis.KINDS, 0)
    assert per_type == {
        "address": {**nothing, "missed": 1},
        "book": {**nothing, "spurious": 1},
        "name": {**nothing, "type": 1},
    }


def test_error_analysis_shows_the_first_examples_only() -> None:
    gold = [Sentence(str(i), TEXT, (NAME,)) for i in range(4)]
    predicted = [[], [Entity(0, 2, "name")], [BOOK], []]
    result = error_analysis.analyse(gold, predicted, 2)
    assert result["counts"]["missed"] == 3
    assert [example["id"] for example in result["examples"]["missed"]] == ["0", "2"]
    assert result["examples"]["boundary"] == [
        {
            "id": "1",
            "text": TEXT,
            "gold": {"type": "name", "start": 0, "end": 3, "text": "王小明"},
            "predicted": {"type": "name", "start": 0, "end": 2, "text": "王小"},
        }
    ]
    assert result["examples"]["missed"][0]["predicted"] is None
    assert result["examples"]["spurious"][0]["gold"] is None
    assert error_analysis.analyse(gold, predicted, 0)["examples"] == {kind: [] for kind in error_analysis.KINDS}


@given(span_lists, span_lists)
def test_error_analysis_loses_and_doubles_nothing(gold: list[Entity], predicted: list[Entity]) -> None:
    sentence = Sentence("1", TEXT, tuple(sorted(set(gold))))
    result = error_analysis.analyse([sentence], [predicted], 99)
    shown = [(kind, example) for kind, examples in result["examples"].items() for example in examples]
    assert result["counts"] == {kind: len(examples) for kind, examples in result["examples"].items()}
    for side, entities in (("gold", set(gold)), ("predicted", set(predicted))):
        seen = Counter(tuple(e[side].values())[:3] for _, e in shown if e[side])
        right = set(gold) & set(predicted)
        assert seen == Counter((e.type, e.start, e.end) for e in entities - right)
    for kind, example in shown:
        if kind == "missed":
            assert example["predicted"] is None
        elif kind == "spurious":
            assert example["gold"] is None
        else:
            g, p = (Entity(e["start"], e["end"], e["type"]) for e in (example["gold"], example["predicted"]))
            same_type, same_extent = g.type == p.type, (g.start, g.end) == (p.start, p.end)
            assert g.overlaps(p)
            wanted = {(True, False): "boundary", (False, True): "type", (False, False): "boundary_and_type"}
            assert kind == wanted[same_type, same_extent]
    assert error_analysis.analyse([sentence], [predicted[::-1]], 99) == result


def test_error_analysis_confusion_counts_by_extent() -> None:
    gold = [Sentence("1", TEXT, (NAME, PLACE, BOOK)), Sentence("2", TEXT, (NAME,))]
    predicted = [[NAME, Entity(4, 6, "name"), Entity(12, 14, "book")], [Entity(1, 3, "game")]]
    labels, matrix = error_analysis.confusion(gold, predicted)
    assert labels == ["address", "book", "game", "name", "none"]
    assert matrix.tolist() == [
        [0, 0, 0, 1, 0],
        [0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 1, 1],
        [0, 1, 1, 0, 0],
    ]


@given(span_lists, span_lists)
def test_error_analysis_confusion_agrees_with_micro(gold: list[Entity], predicted: list[Entity]) -> None:
    sentence = Sentence("1", TEXT, tuple(sorted(set(gold))))
    labels, matrix = error_analysis.confusion([sentence], [predicted])
    assert matrix[-1, -1] == 0
    assert matrix[:, :-1].sum() == len(set(predicted))
    for name, line in scores.micro([sentence], [predicted])["per_type"].items():
        i = labels.index(name)
        assert matrix[i].sum() == line["support"]
        assert matrix[i, i] == pytest.approx(line["recall"] * line["support"])


@pytest.mark.parametrize("gold", [[], [Sentence("1", "今天下雨。")]])
def test_error_analysis_without_any_entity_is_empty(gold: list[Sentence]) -> None:
    nothing: list[list[Entity]] = [[] for _ in gold]
    result = error_analysis.analyse(gold, nothing, 3)
    assert (sum(result["counts"].values()), result["per_type"]) == (0, {})
    labels, matrix = error_analysis.confusion(gold, nothing)
    assert (labels, matrix.tolist()) == (["none"], [[0]])


def test_error_analysis_refuses_predictions_that_are_not_aligned() -> None:
    with pytest.raises(ValueError, match="zip"):
        error_analysis.analyse([Sentence("1", TEXT, (NAME,))], [], 0)
