"""The bench: three recipes that train in turns, what is counted of them, and how it is written down."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from bench import figure, heads, inputs, pipeline, report, scaling, tagging, training
from bench.__main__ import main
from bench.cells import number
from bench.memory import peak_memory_gb
from bench.recipes import RECIPES
from bench.setting import IGNORED, Setting, facts, stock_model, token_labels
from bench.worker import WARM_UP, Stopped, Turns
from clue_ner.core.params import load_params

SENTENCES = [
    {"text": f"{person}目前住在{place}，", "entities": [{"type": "name", "start": 0, "end": len(person)}]}
    for person in ("黄飞鸿", "王德发", "晓明", "晓艳", "武艺")
    for place in ("北京", "佛山", "上海", "广东", "宝芝林")
]
STEPS = WARM_UP + 2


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, backbones: dict[str, Path]) -> Path:
    """A pipeline's folder with a tiny corpus and a tiny random BERT."""
    place = tmp_path_factory.mktemp("bench")
    corpus = place / "corpus"
    corpus.mkdir()
    for split in ("train", "valid", "test"):
        lines = [json.dumps(sentence, ensure_ascii=False) + "\n" for sentence in SENTENCES]
        (corpus / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
    values = load_params(inputs.ROOT / "params.yaml").model_dump()
    values["corpus"] |= {"name": "jsonl", "path": str(corpus)}
    values["backbone"] |= {"name": str(backbones["wordpiece"]), "revision": None}
    values["train"] |= {"batch_size": 5, "context_size": 8, "epochs": 3}
    (place / "values.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    inputs.make(inputs.ROOT, place, load_params(place / "values.yaml"))
    return place


def converse(recipe: str, place: Path, *commands: dict[str, Any]) -> list[dict[str, Any]]:
    """What a recipe answers to the commands, in this process."""
    answers: list[dict[str, Any]] = []
    with pytest.raises(Stopped):
        RECIPES[recipe].run(Setting(place), Turns(iter(map(json.dumps, commands)), answers.append))
    return answers


# --- recipes and their turns


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_train_until_told_and_count_what_they_saw(recipe: str, place: Path) -> None:
    train = {"do": "train", "seconds": 600, "steps": STEPS}
    ready, turn, score, stopped_early = converse(recipe, place, train, {"do": "evaluate"}, train | {"steps": 1})
    assert ready["ready"] and ready["token_flops"] > 0
    assert (turn["steps"], turn["timed_steps"], turn["ended"]) == (STEPS, STEPS - WARM_UP, False)
    assert 5 * 8 * turn["timed_steps"] <= turn["characters"] <= 5 * 11 * turn["timed_steps"]
    assert turn["characters"] + 2 * 5 * turn["timed_steps"] == turn["tokens"] <= turn["padded_tokens"]
    assert 0 <= score["f1"] <= 1
    assert (stopped_early["steps"], stopped_early["timed_steps"]) == (1, 1)


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_say_when_their_training_is_over(recipe: str, place: Path) -> None:
    everything = {"do": "train", "seconds": 600, "steps": 10**6}
    _, whole, _, nothing = converse(recipe, place, everything, {"do": "evaluate"}, everything, {"do": "stop"})
    assert (whole["steps"], whole["ended"]) == (15, True)
    assert (nothing["steps"], nothing["timed_steps"], nothing["ended"]) == (0, 0, True)


def test_worker_answers_in_a_process_of_its_own(place: Path) -> None:
    with training.worker("plain", place) as worker:
        assert worker.answer()["number_format"] == "float32"
        turn = worker.ask(do="train", seconds=600, steps=STEPS)
        assert turn["timed_seconds"] > 0 and turn["memory_gb"] > 0
        assert 0 <= worker.ask(do="evaluate")["f1"] <= 1
        assert worker.ask(do="stop") == {"stopped": True}
        with pytest.raises(RuntimeError, match="ended early"):
            worker.answer()


def test_facts_count_matrices_of_tokens_and_units(place: Path) -> None:
    stock, _, card = stock_model(Setting(place))
    hidden, intermediate = 32, 64
    layer = 4 * hidden**2 + 2 * hidden * intermediate
    counted = facts(stock, "float32")
    assert counted["token_flops"] == 6 * 2 * layer
    assert counted["unit_flops"] == 6 * hidden * len(card["tags"])
    for parameter in stock.base_model.encoder.layer[0].parameters():
        parameter.requires_grad_(False)
    assert facts(stock, "float32")["token_flops"] == (2 + 6) * layer


def test_token_labels_leave_out_tokens_that_are_no_unit() -> None:
    row = {"input_ids": [101, 7, 8, 9, 102], "unit_tokens": [1, 3], "labels": [4, 5]}
    assert token_labels(row) == [IGNORED, 4, IGNORED, 5, IGNORED]


def test_summary_gives_rates_of_timed_steps_alone() -> None:
    known = {"token_flops": 10, "unit_flops": 1, "number_format": "float32", "trained_parameters": 3}
    amounts = {"characters": 80, "tokens": 90, "padded_tokens": 100, "padded_units": 80}
    warm = {"seconds": 9.0, "timed_seconds": 0.0, "steps": 3, "timed_steps": 0, "ended": False, "memory_gb": 1.0}
    timed = {"seconds": 4.0, "timed_seconds": 4.0, "steps": 2, "timed_steps": 2, "ended": True, "memory_gb": 2.0}
    summary = training.summary(known, [warm | {"f1": 0.2}, timed | amounts | {"f1": 0.6}], target=0.5)
    assert summary["characters_per_second"] == 20
    assert summary["seconds_per_step"] == 2
    assert summary["padded_share"] == pytest.approx(0.1)
    assert summary["flops_per_second"] == (10 * 100 + 80) / 4
    assert summary["curve"] == [[9.0, 0.2], [13.0, 0.6]] and summary["seconds_to_target"] == 13.0
    assert training.summary(known, [warm | {"f1": 0.2}], target=0.5)["seconds_to_target"] is None


# --- heads


def test_heads_are_all_compared_with_the_committed_one() -> None:
    params = load_params(inputs.ROOT / "params.yaml")
    titles = [title for title, _ in heads.configurations(params, layers=12)]
    assert {params.train.head, *titles} >= {"softmax", "crf", "span", "global_pointer", "biaffine"}
    assert {params.tagging.align, *titles} >= {"characters", "pieces", "characters_over_pieces", "6 of 12 layers"}
    assert params.train.head not in titles and params.tagging.align not in titles


def test_heads_train_in_turns_with_the_committed_one(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"train": {"head": "softmax"}, "tagging": {"align": "pieces"}}
    monkeypatch.setattr(heads, "configurations", lambda params, layers: [("other", changes)])
    measured = heads.measure(place, layers=2, seconds=0.2)
    (one,) = measured["compared"]
    assert one["title"] == "other" and one["trained_parameters"] > 0
    assert one["characters_per_second"] > 0 and one["committed_characters_per_second"] > 0
    assert (load_params(place / "heads/other/params.yaml").train.head, one["title"]) == ("softmax", "other")


# --- tagging, pipeline, scaling


def test_tagging_measures_every_format_without_a_trained_model(place: Path, tmp_path: Path) -> None:
    measured = tagging.measure(tmp_path, place)
    assert list(measured["candidates"]) == ["pipeline", "torch", "onnx", "int8"]
    assert "random head" in measured["note"] and measured["scored_sentences"] == 0
    for candidate in measured["candidates"].values():
        assert candidate["bulk_characters_per_second"] > 0 and candidate["p50_ms"] <= candidate["p99_ms"]
        assert candidate["micro_f1"] is None


def test_imports_are_those_at_the_top_of_a_script(tmp_path: Path) -> None:
    script = tmp_path / "stage.py"
    script.write_text('"""Text."""\nimport json\nfrom pathlib import Path\n\ndef main():\n    import torch\n')
    assert pipeline.imports(script) == "import json\nfrom pathlib import Path"


def test_repeated_gives_every_sentence_an_id_of_its_own(place: Path) -> None:
    sentences = scaling.repeated(place, 3 * len(SENTENCES) + 30)
    assert len({sentence.id for sentence in sentences}) == len(sentences) == 3 * len(SENTENCES) + 30
    assert sentences[0].text == sentences[-30].text


@pytest.mark.parametrize("name", scaling.CLUENER)
def test_scaling_measures_a_stage_in_a_process(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(scaling.CLUENER, name, 10)
    measured = scaling.once(place, name, times=2)
    assert measured["seconds"] > 0 and measured["peak_gb"] >= measured["imports_gb"] > 0


# --- report


def recipe(characters: float, f1: float, reached: float | None) -> dict[str, Any]:
    return {
        "number_format": "float32",
        "ended": reached is None,
        "characters_per_second": characters,
        "tokens_per_second": characters * 1.05,
        "padded_share": 0.25,
        "seconds_per_step": 1.5,
        "peak_memory_gb": 2.31,
        "flops_per_second": 4e10,
        "curve": [[15.0, f1 / 2], [30.0, f1]],
        "seconds_to_target": reached,
    }


def tagged(bulk: float, f1: float | None) -> dict[str, Any]:
    single = {"single_characters_per_second": bulk / 2, "p50_ms": 12.0, "p99_ms": 34.5}
    return {"bulk_characters_per_second": bulk, **single, "micro_f1": f1}


RESULTS: dict[str, Any] = {
    "command": "make bench",
    "seconds": 600.0,
    "machine": {
        "processor": "A processor",
        "cores": 2,
        "threads": 2,
        "memory_gb": 16.0,
        "gpu": None,
        "native_bf16": False,
        "versions": {"python": "3.11.2", "torch": "2.0"},
    },
    "data": {
        "corpus": "sample",
        "mean_characters": 20.0,
        "backbone": "e5",
        "layers": 12,
        "hidden": 384,
        "batch_size": 32,
    },
    "peaks": {"float32": {"square": 1.6e11, "layer": 8e10, "shapes": {"704 × 384 × 384": 8e10}}},
    "training": {
        "seconds": 30.0,
        "target_f1": 0.5,
        "recipes": {
            "plain": recipe(900, 0.1, None),
            "stock": recipe(1000, 0.2, None),
            "ours": recipe(2500, 0.55, 30.0),
        },
    },
    "heads": {
        "committed": "crf over pieces",
        "compared": [
            {
                "title": "softmax",
                "committed_characters_per_second": 1000.0,
                "characters_per_second": 1250.0,
                "trained_parameters": 21_400_000,
            }
        ],
    },
    "tagging": {
        "note": None,
        "bulk_sentences": 1000,
        "single_sentences": 200,
        "scored_sentences": 1343,
        "candidates": {
            "pipeline": tagged(1000, None),
            "torch": tagged(2000, 0.7779),
            "onnx": tagged(2200, 0.7779),
            "int8": tagged(4000, 0.773),
        },
    },
    "pipeline": {
        "which": "all of it",
        "repro": {"pipeline": 2.4, "empty": 2.0},
        "starts": {"interpreter": 0.02, "download": 0.5},
        "tokenize_align": {"seconds": 4.2, "peak_gb": 0.6, "imports_gb": 0.3},
    },
    "scaling": {
        "evaluate": [
            {"times": 1, "sentences": 10, "seconds": 1.0, "peak_gb": 0.5, "imports_gb": 0.2},
            {"times": 4, "sentences": 40, "seconds": 4.0, "peak_gb": 1.0, "imports_gb": 0.2},
        ]
    },
}


def test_markdown_gives_ratios_first_with_units_in_the_headers() -> None:
    text = report.markdown(RESULTS)
    rows = dict(line.strip("| ").split(" | ", 1) for line in text.splitlines() if line.startswith("| "))
    assert rows["characters/s against stock Trainer"] == "0.90 × | 1.00 × | 2.50 ×"
    assert rows["tokens/s, without padding"] == "945 | 1,050 | 2,620"
    assert rows["FLOP/s, % of the matmul peak"] == "25 | 25 | 25"
    assert rows["FLOP/s, % of the peak at an encoder layer's shapes"] == "50 | 50 | 50"
    assert rows["s of training to valid F1 50 %"] == "not reached in 30 s | not reached in 30 s | 30"
    assert rows["valid F1 at the end, %"] == "10.0 (its whole training) | 20.0 (its whole training) | 55.0"
    assert rows["bulk, characters/s against pipeline"] == "1.00 × | 2.00 × | 2.20 × | 4.00 ×"
    assert rows["micro F1 against torch, points"] == "– | – | +0.00 | -0.49"
    assert rows["softmax"] == "1.25 × | 1,250 | 21.4 M" and "in turns with crf over pieces" in text
    assert "| this pipeline | 1.20 × | 2.4 |" in text
    assert "time is linear (1.00 of proportional); memory is not flat (2.00 ×" in text
    assert "not native" in text and "of one run of 10 minutes" in text


@pytest.mark.parametrize("part", ["training", "heads", "tagging", "pipeline", "scaling"])
def test_markdown_tables_are_whole_whichever_part_was_measured(part: str) -> None:
    common = ("command", "seconds", "machine", "data", "peaks")
    text = report.markdown({name: RESULTS[name] for name in (*common, part)})
    for block in text.split("\n\n"):
        if block.startswith("|"):
            assert len({line.count("|") for line in block.splitlines()}) == 1
    assert ("bench.png" in text) == (part in ("training", "tagging"))


def test_terminal_shows_the_numbers_of_the_markdown() -> None:
    stream = io.StringIO()
    report.show(RESULTS, Console(file=stream, width=200))
    assert "2.50 ×" in stream.getvalue() and "not reached in 30 s" in stream.getvalue()


def test_figure_is_drawn_of_what_was_measured(tmp_path: Path) -> None:
    assert figure.draw(tmp_path / "both.png", RESULTS)
    assert (tmp_path / "both.png").read_bytes().startswith(b"\x89PNG")
    assert not figure.draw(tmp_path / "none.png", {"pipeline": RESULTS["pipeline"]})
    assert not (tmp_path / "none.png").exists()


@pytest.mark.parametrize(
    ("value", "written"),
    [(12345.6, "12,300"), (2620, "2,620"), (34.5, "34.5"), (30.0, "30"), (0.01234, "0.0123"), (0.0, "0"), (None, "–")],
)
def test_number_keeps_three_digits(value: float | None, written: str) -> None:
    assert number(value) == written


def test_main_refuses_a_part_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["trainings"])
    assert "unknown part trainings: there are training, heads, tagging, pipeline, scaling" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="other systems count each process on its own")
def test_memory_is_that_of_the_process_and_not_of_its_parent() -> None:
    held = bytearray(b"1") * 400_000_000
    command = [sys.executable, "-c", "from bench.memory import peak_memory_gb; print(peak_memory_gb())"]
    done = subprocess.run(command, cwd=inputs.ROOT, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.2 < 0.4 <= len(held) / 1e9 <= peak_memory_gb()
