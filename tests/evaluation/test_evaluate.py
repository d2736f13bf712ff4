"""One evaluation for the stage and the command."""

from collections.abc import Sequence

import pytest
from support.sentences import marked, marked_all
from support.tiny import TAGS, tiny_tagger_folder

from clue_ner.core.entities import Entity
from clue_ner.core.params import EvaluateParams
from clue_ner.evaluation.evaluate import evaluate_predictions, evaluate_tagger
from clue_ner.tagger.tagger import Tagger

SETTINGS = EvaluateParams(bootstrap=100, examples=1)
GOLD = marked_all(
    "{李雷|name}在{上海|address}的{招商银行|company}", "{李雷|name}去了{上海一|address}", "一人在{我们|company}"
)
"""The tagger finds 5 entities, 4 of them right; there are 6."""


@pytest.fixture(scope="module", params=["crf", "softmax"])
def tagger(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tagger:
    folder = tiny_tagger_folder(tmp_path_factory.mktemp("model") / "tagger", request.param, lexicon=TAGS)
    return Tagger.load(folder)


def test_evaluate_tagger_scores_what_it_finds(tagger: Tagger) -> None:
    found = evaluate_tagger(GOLD, tagger, SETTINGS, 0, "test")
    assert found.scores["micro"]["precision"] == 4 / 5
    assert found.scores["micro"]["recall"] == 4 / 6
    assert found.scores["errors"]["counts"]["boundary"] == 1
    assert "examples" not in found.scores["errors"]
    assert len(found.errors["examples"]["boundary"]) == 1
    assert found.scores["alignment"]["entities"] == 6
    assert [len(entities) for entities in found.predicted] == [3, 2, 0]


def test_evaluate_predictions_gives_what_evaluating_their_tagger_gives(tagger: Tagger) -> None:
    ours = evaluate_tagger(GOLD, tagger, SETTINGS, 0, "test")
    theirs = evaluate_predictions(GOLD, ours.predicted, SETTINGS, 0)
    alignment = ours.scores.pop("alignment")
    assert alignment["sentences"] == 3
    assert theirs.scores == ours.scores
    assert theirs.errors == ours.errors


def test_evaluate_nothing_has_no_scores(tagger: Tagger) -> None:
    found = evaluate_tagger([], tagger, SETTINGS, 0, "test")
    assert "micro" not in found.scores
    assert found.scores["errors"]["counts"]["missed"] == 0


def tags(length: int, entities: Sequence[Entity]) -> list[str]:
    made = ["O"] * length
    for entity in entities:
        made[entity.start : entity.end] = [f"I-{entity.type}"] * (entity.end - entity.start)
        made[entity.start] = f"B-{entity.type}"
    return made


def test_evaluate_predictions_agrees_with_seqeval_and_with_clueners_script() -> None:
    from seqeval.metrics import f1_score
    from seqeval.scheme import IOB2

    predicted = [
        marked(text).entities
        for text in (
            "{李雷|name}在{上海的|address}招商银行",
            "{李雷|address}去了{上海一|address}",
            "{一人|name}在{我们|company}",
        )
    ]
    scores = evaluate_predictions(GOLD, predicted, SETTINGS, 0).scores
    gold_tags = [tags(len(sentence.text), sentence.entities) for sentence in GOLD]
    found_tags = [tags(len(sentence.text), row) for sentence, row in zip(GOLD, predicted)]
    assert scores["micro"]["f1"] == f1_score(gold_tags, found_tags, mode="strict", scheme=IOB2)
    assert scores["lenient"]["f1"] == f1_score(gold_tags, found_tags)
    f1 = []
    for kind in ("name", "address", "company"):
        right, found, wanted = 0, 0, 0
        for sentence, row in zip(GOLD, predicted):
            surfaces = [
                {sentence.text[e.start : e.end] for e in entities if e.type == kind}
                for entities in (sentence.entities, row)
            ]
            right += len(surfaces[0] & surfaces[1])
            wanted += len(surfaces[0])
            found += len(surfaces[1])
        f1.append(2 * right / (found + wanted))
    assert scores["official"]["macro_f1"] == pytest.approx(sum(f1) / 3)
