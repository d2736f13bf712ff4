"""The figure: valid F1 by seconds of training, and characters per second of each tagger."""

from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.figure import Figure

from bench.recipes import RECIPES
from bench.tables import TAGGERS

COLOURS = {"plain": "#999999", "stock": "#e08214", "ours": "#1b6ca8"}
SPEEDS = {"bulk": ("#1b6ca8", 0.2), "single": ("#e08214", -0.2)}  # colour, offset


def draw(path: Path, results: dict[str, Any]) -> bool:
    """Write the PNG of the parts that were measured; False, and nothing written, without training and tagging."""
    parts = [(name, plot) for name, plot in (("training", _curves), ("tagging", _bars)) if name in results]
    if not parts:
        return False
    with style.context("default"):
        figure = Figure(figsize=(6 * len(parts), 4), layout="constrained")
        for (name, plot), axes in zip(parts, figure.subplots(1, len(parts), squeeze=False)[0]):
            plot(axes, results[name])
            axes.spines[["top", "right"]].set_visible(False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png", dpi=100, metadata={"Software": None})
    return True


def _curves(axes: Any, training: dict[str, Any]) -> None:
    for name, recipe in training["recipes"].items():
        seconds, f1 = zip(*recipe["curve"])
        scores = [100 * score for score in f1]
        axes.plot((0, *seconds), (0, *scores), "o-", color=COLOURS[name], label=RECIPES[name].title, markersize=4)
    axes.axhline(100 * training["target_f1"], color="black", linewidth=0.5, linestyle=":")
    axes.set(xlabel="seconds of training", ylabel="valid micro F1, %", title="Training", xlim=(0, None), ylim=(0, None))
    axes.legend(frameon=False)


def _bars(axes: Any, tagging: dict[str, Any]) -> None:
    names = list(tagging["candidates"])[::-1]
    for kind, (colour, offset) in SPEEDS.items():
        rates = [tagging["candidates"][name][f"{kind}_characters_per_second"] for name in names]
        places = [number + offset for number in range(len(names))]
        axes.barh(places, rates, height=0.38, color=colour, label=kind)
    axes.set_yticks(range(len(names)), [TAGGERS[name] for name in names])
    axes.set(xlabel="characters a second", title="Tagging")
    axes.legend(frameon=False)
