"""F1 of each configuration as a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from matplotlib.figure import Figure

from clue_ner.evaluation.plots import plain_style, save
from tools.results.configurations import Configuration

BLUE, ORANGE = "#1b6ca8", "#e08214"


def draw(path: Path, found: Sequence[Configuration], intervals: Mapping[str, tuple[float, ...]]) -> None:
    """Draw the micro F1 on test and the valid F1 of each configuration to a PNG file, the first of them on top.

    ``intervals``: ``(low, high)`` of each configuration's name, of all its seeds together.
    """
    with plain_style():
        figure = Figure(figsize=(9, 1.8 + 0.38 * len(found)), layout="constrained")
        axes = figure.add_subplot()
        for y, configuration in enumerate(reversed(found)):
            scores = [100 * score for score in configuration.values("micro_f1")]
            axes.plot([100 * end for end in intervals[configuration.name]], [y, y], color=BLUE)
            if len(scores) > 1:
                axes.plot(scores, [y] * len(scores), "o", color=BLUE, markerfacecolor="white", markersize=4)
            axes.plot(fmean(scores), y, "o", color=BLUE, markersize=7)
            if valid := configuration.values("valid_f1"):
                axes.plot(100 * fmean(valid), y, "d", color=ORANGE, markersize=5)
        axes.plot([], [], "o-", color=BLUE, markersize=7, label="micro F1 on test, 95 % bootstrap interval")
        axes.plot([], [], "o", color=BLUE, markerfacecolor="white", markersize=4, label="each seed")
        axes.plot([], [], "d", color=ORANGE, markersize=5, label="micro F1 on valid")
        axes.set_yticks(range(len(found)), [_name(configuration) for configuration in reversed(found)], size=8)
        axes.set_ylim(-0.6, len(found) - 0.4)
        axes.set_xlabel("F1 in percent; more than one seed: their mean", loc="right")
        axes.grid(axis="x", alpha=0.3)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        figure.legend(loc="outside upper center", ncols=3, frameon=False)
        save(figure, path)


def _name(configuration: Configuration) -> str:
    row, several = configuration.rows[0], len(configuration.rows)
    what = "\n".join(filter(None, (f"{row.head}, {row.align}", configuration.others)))
    return f"{what}  ({several} seeds)" if several > 1 else what
