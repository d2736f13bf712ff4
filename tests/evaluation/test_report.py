import numpy as np
import pytest

from clue_ner.core.entities import Entity, Sentence
from clue_ner.evaluation import scores
from clue_ner.evaluation.predictions import character_tags
from clue_ner.evaluation.report import micro_f1_ci95, paired, report

TYPES = ("address", "company", "name")

Predictions = list[list[Entity]]


def corpus(sentences: int, seed: int) -> tuple[list[Sentence], Predictions]:
    generator = np.random.default_rng(seed)
    gold, predicted = [], []
    for number in range(sentences):
        kinds = [TYPES[i] for i in generator.integers(len(TYPES), size=generator.integers(0, 4))]
        entities = [Entity(3 * i, 3 * i + 2, kind) for i, kind in enumerate(kinds)]
        gold.append(Sentence(str(number), "甲乙丙" * 4, tuple(entities)))
        predicted.append([e if generator.random() < 0.7 else Entity(e.start, e.end + 1, e.type) for e in entities])
    return gold, predicted


def test_report_keeps_a_type_seen_only_in_predictions() -> None:
    gold = Sentence("1", "特斯拉上海超级工厂", (Entity(0, 9, "organization"),))
    result = report([gold], [[*gold.entities, Entity(3, 5, "address")]], None, 100, 0)
    for name in ("micro", "lenient", "official"):
        assert result[name]["per_type"]["address"]["support"] == 0
        assert result[name]["per_type"]["address"]["f1"] == 0
    assert result["micro"]["precision"] == 0.5
    assert result["official"]["macro_f1"] == 0.5


@pytest.mark.parametrize("gold", [[], [Sentence("1", "今天下雨。"), Sentence("2", "")]])
def test_report_without_any_entity_is_zero(gold: list[Sentence]) -> None:
    nothing = {"precision": 0, "recall": 0, "f1": 0, "f1_ci95": [0, 0], "per_type": {}}
    assert report(gold, [[] for _ in gold], None, 100, 0) == {
        "micro": nothing,
        "lenient": nothing,
        "official": {"macro_f1": 0, "f1_ci95": [0, 0], "per_type": {}},
        "sentences": len(gold),
        "entities": 0,
    }


def test_report_has_the_documented_shape_and_the_plain_scores() -> None:
    gold, predicted = corpus(30, 1)
    tags = character_tags(gold, predicted)
    result = report(gold, predicted, tags, 200, 0)
    assert list(result) == ["micro", "lenient", "official", "sentences", "entities"]
    assert list(result["micro"]) == list(result["lenient"]) == ["precision", "recall", "f1", "f1_ci95", "per_type"]
    assert list(result["official"]) == ["macro_f1", "f1_ci95", "per_type"]
    assert (result["sentences"], result["entities"]) == (30, sum(len(s.entities) for s in gold))
    plain = {
        "micro": scores.micro(gold, predicted),
        "lenient": scores.lenient(gold, predicted, tags),
        "official": scores.official(gold, predicted),
    }
    for name, score in plain.items():
        reported = result[name]
        for line in (reported, *reported["per_type"].values()):
            low, high = line.pop("f1_ci95")
            assert 0 <= low < line.get("f1", line.get("macro_f1")) < high <= 1
        assert reported == score


def test_report_intervals_equal_those_of_really_repeated_sentences() -> None:
    gold, predicted = corpus(12, 2)
    draws = np.random.default_rng(7).multinomial(12, np.full(12, 1 / 12), 100)
    result = report(gold, predicted, None, 100, 7)
    values: dict[str, list[float]] = {name: [] for name in ("micro", "lenient", "official", *TYPES)}
    for weights in draws:
        drawn = [s for s, times in zip(gold, weights) for _ in range(times)]
        found = [row for row, times in zip(predicted, weights) for _ in range(times)]
        values["micro"].append(scores.micro(drawn, found)["f1"])
        values["lenient"].append(scores.lenient(drawn, found, None)["f1"])
        for kind in TYPES:
            values[kind].append(scores.micro(drawn, found)["per_type"].get(kind, {"f1": 0})["f1"])
        per_type = scores.official(drawn, found)["per_type"]
        values["official"].append(sum(line["f1"] for line in per_type.values()) / len(TYPES))
    for name in ("micro", "lenient", "official"):
        assert result[name]["f1_ci95"] == pytest.approx(np.percentile(values[name], [2.5, 97.5]))
    for kind in TYPES:
        reported = result["micro"]["per_type"][kind]["f1_ci95"]
        assert reported == pytest.approx(np.percentile(values[kind], [2.5, 97.5]))


def test_report_depends_on_the_seed_only() -> None:
    gold, predicted = corpus(40, 3)
    first, again, other = (report(gold, predicted, None, 200, seed) for seed in (5, 5, 6))
    assert first == again
    assert first["micro"]["f1_ci95"] != other["micro"]["f1_ci95"]
    assert first["micro"]["f1"] == other["micro"]["f1"]


def test_report_of_perfect_predictions_has_no_spread() -> None:
    gold, _ = corpus(200, 4)
    result = report(gold, [list(s.entities) for s in gold], None, 100, 0)
    assert [result[name]["f1_ci95"] for name in ("micro", "lenient", "official")] == [[1, 1]] * 3


def test_report_interval_narrows_with_more_sentences() -> None:
    widths = []
    for size in (50, 800):
        low, high = report(*corpus(size, 5), None, 400, 0)["micro"]["f1_ci95"]
        widths.append(high - low)
    assert widths[1] < widths[0] / 2.5


def test_paired_of_the_same_predictions_is_no_difference() -> None:
    counts = scores.sentence_counts(*corpus(50, 6))
    assert paired(counts, counts, 200, 0) == {"difference": 0, "ci95": [0, 0], "p": 1}


def test_paired_finds_the_better_and_turns_round() -> None:
    gold, worse = corpus(200, 7)
    best = [list(s.entities) for s in gold]
    a, b = scores.sentence_counts(gold, best), scores.sentence_counts(gold, worse)
    forward, back = paired(a, b, 400, 0), paired(b, a, 400, 0)
    assert forward["difference"] == pytest.approx(1 - scores.micro(gold, worse)["f1"])
    assert forward["ci95"][0] > 0
    assert forward["p"] == pytest.approx(2 / 401)
    assert back["difference"] == -forward["difference"]
    assert back["ci95"] == pytest.approx([-end for end in reversed(forward["ci95"])])
    assert back["p"] == forward["p"]


def test_paired_is_narrower_than_two_intervals() -> None:
    gold, a = corpus(200, 8)
    b = [row if i % 20 else [] for i, row in enumerate(a)]
    low, high = paired(*(scores.sentence_counts(gold, rows) for rows in (a, b)), 400, 0)["ci95"]
    of_one = report(gold, a, None, 400, 0)["micro"]["f1_ci95"]
    assert high - low < of_one[1] - of_one[0]


def test_micro_f1_ci95_is_the_interval_of_the_report() -> None:
    gold, predicted = corpus(60, 9)
    interval = micro_f1_ci95(scores.sentence_counts(gold, predicted), 300, 4)
    assert interval == pytest.approx(report(gold, predicted, None, 300, 4)["micro"]["f1_ci95"])
