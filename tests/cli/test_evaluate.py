"""``clue-ner evaluate``: a model or predictions on labelled files."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.commands import elsewhere, run  # noqa: F401
from support.servers import hub_handler, serve, use_hub
from support.tiny import TAGS, tiny_tagger_folder

GOLD = [
    ("李雷在上海的招商银行", ["name 0 2", "address 3 5", "company 6 10"]),
    ("李雷去了上海一", ["name 0 2", "address 4 7"]),
    ("一人在我们", ["company 3 5"]),
]
"""The tagger finds 5 entities, 4 of them right; there are 6."""


def lines(sentences: list[tuple[str, list[str]]], ids: bool = False) -> str:
    made = []
    for number, (text, entities) in enumerate(sentences):
        spans = [entity.split() for entity in entities]
        listed = [{"type": type_, "start": int(start), "end": int(end)} for type_, start, end in spans]
        made.append({**({"id": f"s{number}"} if ids else {}), "text": text, "entities": listed})
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in made)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_tagger_folder(tmp_path_factory.mktemp("model") / "tagger", lexicon=TAGS)


@pytest.fixture
def gold(tmp_path: Path) -> Path:
    path = tmp_path / "gold.jsonl"
    path.write_text(lines(GOLD), encoding="utf-8")
    return path


def as_json(*arguments: Any) -> dict[str, Any]:
    result = run("evaluate", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_evaluate_scores_a_model(model: Path, gold: Path) -> None:
    found = as_json(model, gold)
    assert (found["model"], found["dataset"], found["sentences"], found["entities"]) == (str(model), "gold", 3, 6)
    assert (found["micro"]["precision"], found["micro"]["recall"]) == (4 / 5, 4 / 6)
    assert set(found["official"]["per_type"]) == {"address", "company", "name"}
    assert found["errors"]["counts"]["boundary"] == 1
    assert found["alignment"]["inexpressible"] == 0
    assert (found["device"], found["warnings"]) == ("cpu", [])


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_evaluate_prints_tables_that_fit(model: Path, gold: Path, columns: int) -> None:
    result = run("evaluate", model, gold, COLUMNS=str(columns))
    assert result.exit_code == 0, result.stderr
    assert max(map(len, result.stdout.splitlines())) <= columns
    words = " ".join(result.stdout.split())
    assert "micro 80.00 66.67 72.73" in words
    assert "all 1 0 0 1 0" in words
    assert "boundary: [上海一 address] -> [上海 address] in 李雷去了上海一" in words


def test_evaluate_scores_a_split_of_a_corpus(model: Path, tmp_path: Path) -> None:
    for name, sentences in (("train", GOLD[:1]), ("dev", GOLD[1:2]), ("test", GOLD[2:])):
        (tmp_path / "mine").mkdir(exist_ok=True)
        (tmp_path / "mine" / f"{name}.jsonl").write_text(lines(sentences), encoding="utf-8")
    assert as_json(model, "mine")["dataset"] == "mine-test"
    found = as_json(model, "mine", "--split", "valid")
    assert (found["dataset"], found["entities"]) == ("mine-valid", 2)
    result = run("evaluate", model, tmp_path / "mine" / "test.jsonl", "--split", "valid")
    assert result.exit_code == 1
    assert "it has no split valid; there are train" in result.stderr


def test_evaluate_scores_predictions_as_it_scores_their_model(model: Path, gold: Path, tmp_path: Path) -> None:
    run("tag", "--model", model, "--out", "found.json", "--to", "clue", gold)
    theirs, ours = as_json(gold, "--predictions", "found.json"), as_json(model, gold)
    for key in ("micro", "lenient", "official", "errors", "fingerprint"):
        assert theirs[key] == ours[key]
    assert theirs["predictions"] == "found.json"


def test_evaluate_agrees_with_seqeval_on_files_of_columns(tmp_path: Path) -> None:
    from seqeval.metrics import classification_report
    from seqeval.scheme import IOB2

    rows = [
        ("李雷在上海", ["B-N I-N O B-A I-A", "B-N I-N O B-A O"]),
        ("上海李雷", ["B-A I-A B-N I-N", "B-A I-A I-A O"]),
        ("好", ["O", "B-N"]),
    ]
    tags = [[both[side].split() for _, both in rows] for side in (0, 1)]
    for name, of_all in zip(("gold", "found"), tags):
        blocks = ("".join(f"{c} {tag}\n" for c, tag in zip(text, row)) for (text, _), row in zip(rows, of_all))
        (tmp_path / f"{name}.txt").write_text("\n".join(blocks), encoding="utf-8")
    options = ["--from", "conll", "--predictions-from", "conll", "--option", "scheme=BIO"]
    ours = as_json("gold.txt", "--predictions", "found.txt", *options)
    for score, mode in (("micro", {"mode": "strict", "scheme": IOB2}), ("lenient", {})):
        report = classification_report(*tags, output_dict=True, zero_division=0, **mode)
        for name, line in [("micro avg", ours[score]), *ours[score]["per_type"].items()]:
            wanted = [report[name][rate] for rate in ("precision", "recall", "f1-score")]
            assert [line[rate] for rate in ("precision", "recall", "f1")] == pytest.approx(wanted)


def test_evaluate_names_predictions_of_other_texts(gold: Path, tmp_path: Path) -> None:
    (tmp_path / "found.jsonl").write_text(lines([GOLD[0], ("别的", []), GOLD[2]]), encoding="utf-8")
    result = run("evaluate", gold, "--predictions", "found.jsonl")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"found.jsonl:2: another text than {gold}:2: '别的' and '李雷去了上海一'" in result.stderr


def test_evaluate_matches_predictions_by_id(tmp_path: Path) -> None:
    (tmp_path / "gold.jsonl").write_text(lines(GOLD, ids=True), encoding="utf-8")
    reverse = "".join(reversed(lines(GOLD, ids=True).splitlines(keepends=True)))
    (tmp_path / "found.jsonl").write_text(reverse, encoding="utf-8")
    assert as_json("gold.jsonl", "--predictions", "found.jsonl")["micro"]["f1"] == 1


def test_evaluate_warns_of_types_and_of_sentences_that_are_not_scored(model: Path, tmp_path: Path) -> None:
    content = lines([("李雷在家", ["scene 3 4"])]) + '{"text": "上海"}\n'
    (tmp_path / "gold.jsonl").write_text(content, encoding="utf-8")
    found = as_json(model, "gold.jsonl")
    assert (found["unlabelled"], found["sentences"]) == (1, 1)
    assert found["warnings"] == [
        "types that are never predicted, so that all their entities count as missed: scene (1)",
        "types that do not occur in gold, so that all their entities count as wrong: name (1)",
        "1 sentences are unlabelled and therefore not scored",
    ]


def test_evaluate_without_labels_is_an_error(model: Path, tmp_path: Path) -> None:
    (tmp_path / "gold.jsonl").write_text('{"text": "上海"}\n', encoding="utf-8")
    result = run("evaluate", model, "gold.jsonl")
    assert result.exit_code == 1
    assert "error: gold: none of its 1 sentences is labelled" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gold.jsonl"], "give MODEL and CORPUS, or CORPUS alone and --predictions FILE"),
        (["a", "gold.jsonl", "--predictions", "gold.jsonl"], "give MODEL and CORPUS"),
        (["gold.jsonl", "--predictions", "gold.jsonl", "--log"], "--log goes with MODEL"),
        (["a", "gold.jsonl", "--bootstrap", "5"], "5 is not in the range"),
        ([], "Missing argument"),
    ],
)
def test_evaluate_wrong_usage(gold: Path, arguments: list[str], message: str) -> None:
    result = run("evaluate", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_evaluate_scores_on_a_split_of_a_data_set_of_the_hub(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {"train.jsonl": lines(GOLD).encode(), "test.jsonl": lines(GOLD[:1]).encode()}
    handler = hub_handler("dataset", {"org/ner": files})
    with serve(handler) as url:
        use_hub(monkeypatch, url, str(tmp_path / "hub"))
        found = as_json(model, "org/ner", "--from", "hugging_face", "--revision", "v2")
        assert (found["dataset"], found["sentences"]) == ("ner-test", 1)
        found = as_json(model, "org/ner", "--from", "hugging_face", "--split", "train")
        assert (found["dataset"], found["sentences"]) == ("ner-train", 3)
    assert any("/revision/v2" in request for request in handler.requests)  # type: ignore[attr-defined]
