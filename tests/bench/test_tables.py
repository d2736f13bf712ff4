from typing import Any

from bench.tables import tables


def rows(results: dict[str, Any], title: str) -> dict[str, list[str]]:
    (table,) = (table for table in tables(results) if table.title == title)
    return {name: list(cells) for name, *cells in table.rows}


def test_tables_are_those_of_the_parts_that_were_measured(results: dict[str, Any]) -> None:
    assert [table.title for table in tables(results)] == [
        "Machine and data",
        "Training",
        "Training other heads and alignments",
        "Tagging",
        "Starting to tag",
        "Tagging, warm",
        "Size on disk",
        "Serving",
        "A service under load",
        "`make demo`",
        "A pipeline with next to no work",
        "`dvc repro` with nothing to do",
        "Starting",
        "More data",
        "Reading and checking",
        "Memory of reading",
    ]
    few = {name: results[name] for name in ("machine", "data", "peaks", "heads")}
    assert [table.title for table in tables(few)] == ["Machine and data", "Training other heads and alignments"]


def test_machine_shows_what_it_cannot_do(results: dict[str, Any]) -> None:
    found = rows(results, "Machine and data")
    assert found["bf16"] == ["not native (emulated, so nothing here uses it)"]
    assert found["GPU"] == ["none"]
    assert found["float32 matrix products"] == [
        "0.16 TFLOP/s, square; 0.08 in an encoder layer (704 × 384 × 384: 0.08)"
    ]


def test_training_is_against_stock_trainer_and_the_peak(results: dict[str, Any]) -> None:
    found = rows(results, "Training")
    assert found["characters/s against stock Trainer"] == ["0.90 ×", "1.00 ×", "2.50 ×"]
    assert found["tokens/s, without padding"] == ["945", "1,050", "2,620"]
    assert found["FLOP/s, % of the matmul peak"] == ["25"] * 3
    assert found["FLOP/s, % of the peak at an encoder layer's shapes"] == ["50"] * 3
    assert found["s of training to valid F1 50 %"] == ["not reached in 30 s", "not reached in 30 s", "30"]
    assert found["valid F1 at the end, %"] == ["10.0 (its whole training)", "20.0 (its whole training)", "55.0"]


def test_heads_are_against_the_turns_of_params_yaml(results: dict[str, Any]) -> None:
    assert rows(results, "Training other heads and alignments") == {"softmax": ["1.25 ×", "1,250", "21.4 M"]}


def test_tagging_is_against_the_pipeline_and_its_f1_against_torch(results: dict[str, Any]) -> None:
    found = rows(results, "Tagging")
    assert found["bulk, characters/s against pipeline"] == ["1.00 ×", "2.00 ×", "2.20 ×", "4.00 ×"]
    assert found["micro F1 against torch, points"] == ["–", "–", "+0.00", "-0.49"]
