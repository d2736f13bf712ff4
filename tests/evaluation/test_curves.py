"""Learning curves as a file."""

from pathlib import Path

from clue_ner.evaluation.curves import write_curves


def test_curves_are_a_line_an_epoch(tmp_path: Path) -> None:
    epochs = [{"epoch": 1, "loss": 0.5, "valid_micro_f1": 0.25}, {"epoch": 2, "loss": 1 / 3, "valid_micro_f1": 0.5}]
    write_curves(tmp_path / "plots/training.csv", epochs)
    assert (tmp_path / "plots/training.csv").read_text(encoding="utf-8").splitlines() == [
        "epoch,loss,valid_micro_f1",
        "1,0.500000,0.250000",
        "2,0.333333,0.500000",
    ]
