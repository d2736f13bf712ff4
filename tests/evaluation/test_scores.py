import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import classification_report, f1_score
from seqeval.scheme import IOB2

from clue_ner.core.entities import Entity, Sentence
from clue_ner.evaluation import scores

TYPES = ("address", "company", "name")
FACTORY = Sentence("1", "特斯拉上海超级工厂", (Entity(0, 9, "organization"),))
RATES = ("precision", "recall", "f1")

Predictions = list[list[Entity]]


def bio(length: int, entities: Sequence[Entity]) -> list[str]:
    tags = ["O"] * length
    for entity in entities:
        tags[entity.start : entity.end] = [f"I-{entity.type}"] * (entity.end - entity.start)
        tags[entity.start] = f"B-{entity.type}"
    return tags


@st.composite
def flat_spans(draw: st.DrawFn, length: int) -> list[Entity]:
    cuts = sorted(draw(st.sets(st.integers(0, length), max_size=8)))
    pieces = [(a, b, draw(st.sampled_from((*TYPES, None)))) for a, b in itertools.pairwise(cuts)]
    return [Entity(a, b, kind) for a, b, kind in pieces if kind]


@st.composite
def any_spans(draw: st.DrawFn, length: int) -> list[Entity]:
    span = st.tuples(st.integers(0, length - 1), st.integers(1, 3), st.sampled_from(TYPES))
    found = {Entity(start, min(start + size, length), kind) for start, size, kind in draw(st.lists(span, max_size=6))}
    return sorted(found)


@st.composite
def aligned(draw: st.DrawFn, spans: Any) -> tuple[list[Sentence], Predictions]:
    gold, predicted = [], []
    for number in range(draw(st.integers(1, 5))):
        text = draw(st.text("甲乙丙", min_size=1, max_size=12))
        entities = draw(spans(len(text)))
        gold.append(Sentence(str(number), text, tuple(entities)))
        predicted.append(draw(st.one_of(st.just(entities), spans(len(text)))))
    return gold, predicted


tag_lists = st.lists(st.sampled_from(("O", *(f"{prefix}-{kind}" for prefix in "BI" for kind in TYPES))), max_size=12)


def agrees_with_seqeval(ours: dict[str, Any], gold: list[list[str]], predicted: list[list[str]], **mode: Any) -> None:
    if not ours["per_type"]:  # classification_report fails where nobody has an entity
        assert [ours[rate] for rate in RATES] == [0, 0, 0]
        return
    theirs = classification_report(gold, predicted, output_dict=True, zero_division=0, **mode)
    assert set(theirs) == {*ours["per_type"], "micro avg", "macro avg", "weighted avg"}
    for name, line in [("micro avg", ours), *ours["per_type"].items()]:
        assert [line[rate] for rate in RATES] == pytest.approx([theirs[name][r] for r in (*RATES[:2], "f1-score")])
        if name != "micro avg":
            assert line["support"] == theirs[name]["support"]


@settings(max_examples=600, deadline=None)
@given(aligned(flat_spans))
def test_scores_micro_equals_seqeval_strict(pair: tuple[list[Sentence], Predictions]) -> None:
    gold, predicted = pair
    tags = [[bio(len(s.text), row) for s, row in zip(gold, rows)] for rows in ([s.entities for s in gold], predicted)]
    agrees_with_seqeval(scores.micro(gold, predicted), *tags, mode="strict", scheme=IOB2)


@settings(max_examples=600, deadline=None)
@given(
    st.lists(tag_lists.flatmap(lambda tags: st.tuples(st.just(tags), flat_spans(len(tags)))), min_size=1, max_size=5)
)
def test_scores_lenient_equals_seqeval_default(rows: list[tuple[list[str], list[Entity]]]) -> None:
    gold = [Sentence(str(i), "字" * len(tags), tuple(spans)) for i, (tags, spans) in enumerate(rows)]
    tags = [tags for tags, _ in rows]
    ours = scores.lenient(gold, [[] for _ in gold], tags)
    agrees_with_seqeval(ours, [bio(len(s.text), s.entities) for s in gold], tags)


@settings(max_examples=200, deadline=None)
@given(aligned(flat_spans))
def test_scores_lenient_without_tags_equals_seqeval_default(pair: tuple[list[Sentence], Predictions]) -> None:
    gold, predicted = pair
    tags = [[bio(len(s.text), row) for s, row in zip(gold, rows)] for rows in ([s.entities for s in gold], predicted)]
    agrees_with_seqeval(scores.lenient(gold, predicted, None), *tags)


@settings(max_examples=200, deadline=None)
@given(aligned(any_spans))
def test_scores_official_equals_cluener_definition(pair: tuple[list[Sentence], Predictions]) -> None:
    gold, predicted = pair
    ours = scores.official(gold, predicted)
    types = {e.type for s in gold for e in s.entities} | {e.type for row in predicted for e in row}
    assert set(ours["per_type"]) == types
    expected = []
    for kind in types:
        right = extra = missing = 0
        for sentence, row in zip(gold, predicted):
            wanted = {sentence.text[e.start : e.end]: 1 for e in sentence.entities if e.type == kind}
            found = {sentence.text[e.start : e.end]: 1 for e in row if e.type == kind}
            right += sum(surface in wanted for surface in found)
            extra += sum(surface not in wanted for surface in found)
            missing += sum(surface not in found for surface in wanted)
        precision = right / (right + extra) if right + extra else 0
        recall = right / (right + missing) if right + missing else 0
        expected.append(2 * precision * recall / (precision + recall) if right else 0)
        line = ours["per_type"][kind]
        assert [line[rate] for rate in RATES] == pytest.approx([precision, recall, expected[-1]])
        assert line["support"] == right + missing
    assert ours["macro_f1"] == pytest.approx(sum(expected) / len(expected) if expected else 0)


def test_scores_broken_entity_counts_nothing_though_most_tags_are_right() -> None:
    tags = ["O" if prefix == "O" else f"{prefix}-organization" for prefix in "BIOIIIOII"]
    assert sum(a == b for a, b in zip(tags, bio(9, FACTORY.entities))) == 7
    broken = scores.micro([FACTORY], [[Entity(0, 2, "organization")]])
    assert [broken[rate] for rate in RATES] == [0, 0, 0]
    read = scores.lenient([FACTORY], [[Entity(0, 2, "organization")]], [tags])
    assert [read[rate] for rate in RATES] == [0, 0, 0]
    assert f1_score([bio(9, FACTORY.entities)], [tags], mode="strict", scheme=IOB2, zero_division=0) == 0


def test_scores_one_boundary_of_two_entities_wrong_is_half() -> None:
    gold = [
        Sentence("1", "去年读过红楼梦。", (Entity(3, 6, "MISC"),)),
        Sentence("2", "杜甫。", (Entity(0, 2, "PER"),)),
    ]
    predicted = [[Entity(2, 6, "MISC")], [Entity(0, 2, "PER")]]
    result = scores.micro(gold, predicted)
    assert [result[rate] for rate in RATES] == [0.5, 0.5, 0.5]
    assert result["per_type"] == {
        "MISC": {"precision": 0, "recall": 0, "f1": 0, "support": 1},
        "PER": {"precision": 1, "recall": 1, "f1": 1, "support": 1},
    }


def test_scores_lenient_reads_an_entity_that_begins_with_i() -> None:
    tags = [["I-organization"] * 9]
    assert scores.lenient([FACTORY], [[]], tags)["f1"] == 1
    assert scores.micro([FACTORY], [[]])["f1"] == 0


def test_scores_lenient_keeps_nested_gold() -> None:
    nested = Sentence("1", "上海超级工厂", (Entity(0, 2, "address"), Entity(0, 6, "organization")))
    both = list(nested.entities)
    assert scores.lenient([nested], [both], None)["f1"] == 1
    read = scores.lenient([nested], [both[:1]], [bio(6, both[:1])])
    assert (read["precision"], read["recall"]) == (1, 0.5)


def test_scores_lenient_refuses_tags_of_another_length() -> None:
    with pytest.raises(ValueError, match="sentence 1: 2 tags for 9 characters"):
        scores.lenient([FACTORY], [[]], [["O", "O"]])


@pytest.mark.parametrize("predicted", [[], [[], []]])
@pytest.mark.parametrize("score", [scores.micro, scores.official])
def test_scores_refuse_predictions_that_are_not_aligned(score: Any, predicted: Predictions) -> None:
    with pytest.raises(ValueError, match="zip"):
        score([FACTORY], predicted)


@pytest.mark.parametrize("tags", [[], [["O"] * 9] * 2])
def test_scores_lenient_refuses_tags_that_are_not_aligned(tags: list[list[str]]) -> None:
    with pytest.raises(ValueError, match="zip"):
        scores.lenient([FACTORY], [[]], tags)


def test_scores_official_ignores_position_and_repetition() -> None:
    gold = [Sentence("1", "成都人爱成都", (Entity(0, 2, "address"), Entity(4, 6, "address")))]
    predicted = [[Entity(4, 6, "address")]]
    assert scores.official(gold, predicted)["per_type"]["address"] == {
        "precision": 1,
        "recall": 1,
        "f1": 1,
        "support": 1,
    }
    assert scores.micro(gold, predicted)["recall"] == 0.5


def test_scores_official_does_not_pool_sentences() -> None:
    gold = [Sentence("1", "成都", (Entity(0, 2, "address"),)), Sentence("2", "成都", ())]
    assert scores.official(gold, [[], [Entity(0, 2, "address")]])["macro_f1"] == 0


def test_scores_count_a_span_predicted_twice_once() -> None:
    twice = [[Entity(0, 9, "organization", 0.9), Entity(0, 9, "organization", 0.4)]]
    assert scores.micro([FACTORY], twice)["precision"] == 1


def test_scores_micro_f1_pools_the_counts_of_sentences() -> None:
    gold = [FACTORY, Sentence("2", "杜甫在成都", (Entity(0, 2, "name"), Entity(3, 5, "address")))]
    predicted = [[], [Entity(0, 2, "name"), Entity(2, 5, "address"), Entity(0, 2, "name")]]
    counts = scores.sentence_counts(gold, predicted)
    assert counts.tolist() == [[0, 0, 1], [1, 2, 2]]
    assert scores.micro_f1(counts) == pytest.approx(2 * 1 / (2 + 3))
