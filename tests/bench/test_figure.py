from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from bench import figure


def test_figure_is_drawn_of_what_was_measured(tmp_path: Path, results: dict[str, Any]) -> None:
    assert figure.draw(tmp_path / "both.png", results)
    assert (tmp_path / "both.png").read_bytes().startswith(b"\x89PNG")
    assert not figure.draw(tmp_path / "none.png", {"pipeline": results["pipeline"]})
    assert not (tmp_path / "none.png").exists()


def test_figure_has_a_curve_of_each_recipe_from_zero(results: dict[str, Any]) -> None:
    axes = Figure().subplots()
    figure._curves(axes, results["training"])
    curves = {line.get_label(): line.get_xydata().round(6).tolist() for line in axes.get_lines()}
    assert curves["clue-ner"] == [[0, 0], [15, 27.5], [30, 55]]
    assert {"plain loop", "stock Trainer"} <= curves.keys()


def test_figure_has_two_bars_of_each_tagger(results: dict[str, Any]) -> None:
    axes = Figure().subplots()
    figure._bars(axes, results["tagging"])
    lengths = [[bar.get_width() for bar in bars] for bars in axes.containers]
    assert lengths == [[4000, 2200, 2000, 1000], [2000, 1100, 1000, 500]]
    assert next(label.get_text() for label in axes.get_yticklabels()) == "Tagger, int8"
