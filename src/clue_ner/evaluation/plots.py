"""Scores and confusions as CSV files for `dvc plots` and as PNG figures.

The figures ignore the user's matplotlib settings, so the same numbers give the same bytes on one machine.
"""

import functools
import io
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import font_manager, get_cachedir, style
from matplotlib.figure import Figure

from clue_ner.common.files import write_csv
from clue_ner.core.entities import Entity, Sentence
from clue_ner.evaluation.error_analysis import NONE, confusion

_SCORES = {"micro": ("#1b6ca8", 0.22), "lenient": ("#e08214", 0.0), "official": ("#4d9221", -0.22)}  # colour, offset
_CHINESE_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Noto Sans CJK JP", "Noto Serif CJK SC"),
    *("WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "AR PL UMing CN"),
    *("Microsoft YaHei", "SimHei", "SimSun"),
    *("PingFang SC", "Hiragino Sans GB", "Heiti SC", "Heiti TC", "Arial Unicode MS"),
)
"""Fonts of Linux, Windows and macOS; the first installed one is used."""

_NO_GLYPH = re.compile(r"Glyph \d+ .* missing from font")
_log = logging.getLogger(__name__)


def write_confusion(path: Path, gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]) -> None:
    """Write ``confusion`` as CSV ``actual,predicted``, one line for each counted entity."""
    labels, matrix = confusion(gold, predicted)
    rows = ((labels[row], labels[column]) for row, column in np.argwhere(matrix) for _ in range(matrix[row, column]))
    write_csv(path, ("actual", "predicted"), rows)


def write_per_type(path: Path, report: dict[str, Any]) -> None:
    """Write the F1 and 95 % interval of each type and score of a ``report`` as CSV: ``type,score,f1,low,high``."""
    rows = (
        (name, score, *(f"{value:.6f}" for value in (line["f1"], *line["f1_ci95"])))
        for score in _scores_in(report)
        for name, line in report[score]["per_type"].items()
    )
    write_csv(path, ("type", "score", "f1", "low", "high"), rows)


def per_type_figure(path: Path, report: dict[str, Any]) -> None:
    """Draw the F1 of each type with its 95 % interval, in percent, best micro F1 on top, to a PNG file."""
    per_type = {score: report[score]["per_type"] for score in _scores_in(report)}
    names = sorted(set().union(*per_type.values()), reverse=True)
    names.sort(key=lambda name: per_type["micro"].get(name, {"f1": 0})["f1"])
    with plain_style():
        figure = Figure(figsize=(8, 1.8 + 0.5 * len(names)), layout="constrained")
        axes = figure.add_subplot()
        for score in per_type:
            colour, offset = _SCORES[score]
            overall = report[score]["macro_f1" if score == "official" else "f1"]
            axes.plot([], [], "o-", color=colour, markersize=5, label=f"{score} {100 * overall:.1f}")
            for y, name in enumerate(names):
                if name in per_type[score]:
                    line = per_type[score][name]
                    axes.plot([100 * end for end in line["f1_ci95"]], [y + offset] * 2, color=colour)
                    axes.plot(100 * line["f1"], y + offset, "o", color=colour, markersize=5)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.set_xlabel("F1 in percent, with 95 % bootstrap interval" if per_type else "not scored")
        axes.grid(axis="x", alpha=0.3)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        if per_type:
            figure.legend(loc="outside upper center", ncols=len(_SCORES), frameon=False)
        save(figure, path)


def confusion_figure(path: Path, gold: Sequence[Sentence], predicted: Sequence[Sequence[Entity]]) -> None:
    """Draw ``confusion`` to a PNG file: counts as numbers, the share of each row as shade."""
    labels, matrix = confusion(gold, predicted)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = 2.5 + 0.6 * len(labels)
    with plain_style():
        figure = Figure(figsize=(side, side), layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.argwhere(matrix):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, matrix[row, column], ha="center", va="center", color=colour, fontsize=9)
        axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(labels)), labels)
        axes.set_xlabel(f"predicted type of the same span ({NONE}: missed or other extent)")
        axes.set_ylabel(f"gold type ({NONE}: spurious or other extent)", labelpad=10)
        save(figure, path)


def _scores_in(report: dict[str, Any]) -> list[str]:
    """None if no split was scored."""
    return [score for score in _SCORES if score in report]


def plain_style() -> AbstractContextManager[None]:
    """Matplotlib's defaults, with a Chinese font after the Latin one, if one is installed."""
    installed = set(font_manager.get_font_names())
    families = ["DejaVu Sans", *(name for name in _CHINESE_FONTS if name in installed)]
    context: AbstractContextManager[None] = style.context(["default", {"font.family": families}])
    return context


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically."""
    buffer = io.BytesIO()
    with _missing_glyphs_noted():
        figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(buffer.getvalue())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _missing_glyphs_noted() -> Iterator[None]:
    """Replace matplotlib's warnings for each character and figure by one line per process."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        if _NO_GLYPH.match(str(warning.message)):
            _note_missing_font()
        else:
            warnings.warn(warning.message, stacklevel=2)


@functools.cache
def _note_missing_font() -> None:
    _log.warning(
        "no font of this machine has all characters of the labels, so the figures show boxes in place of some; for "
        "Chinese install one (Debian and Ubuntu: `apt-get install fonts-noto-cjk`), remove matplotlib's list of fonts "
        "in %s, and run `dvc repro --force --single-item evaluate`",
        get_cachedir(),
    )
