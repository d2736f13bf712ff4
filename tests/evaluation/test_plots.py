import csv
import logging
import warnings
from collections import Counter
from pathlib import Path

import matplotlib
import matplotlib.image
import pytest
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from clue_ner.core.entities import Entity, Sentence
from clue_ner.evaluation import plots
from clue_ner.evaluation.error_analysis import confusion
from clue_ner.evaluation.report import report

GOLD = [
    Sentence("1", "王小明在上海", (Entity(0, 3, "name"), Entity(4, 6, "address"))),
    Sentence("2", "今天下雨。"),
    Sentence("3", "李小红在北京", (Entity(0, 3, "name"), Entity(4, 6, "address"))),
    Sentence("4", "小红来了", (Entity(0, 2, "name"),)),
]
PREDICTED = [
    [Entity(0, 3, "name"), Entity(4, 6, "name")],
    [Entity(0, 2, "movie")],
    [Entity(0, 2, "name")],
    [Entity(0, 2, "name")],
]


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_plots_write_confusion_lists_each_count_once(tmp_path: Path) -> None:
    plots.write_confusion(tmp_path / "plots" / "confusion.csv", GOLD, PREDICTED)
    rows = Counter((row["actual"], row["predicted"]) for row in read_csv(tmp_path / "plots" / "confusion.csv"))
    assert rows == {
        ("name", "name"): 2,
        ("address", "name"): 1,
        ("none", "movie"): 1,
        ("name", "none"): 1,
        ("none", "name"): 1,
        ("address", "none"): 1,
    }
    labels, matrix = confusion(GOLD, PREDICTED)
    assert all(matrix[labels.index(a), labels.index(p)] == n for (a, p), n in rows.items())


def test_plots_write_per_type_lists_each_type_and_score(tmp_path: Path) -> None:
    scores = report(GOLD, PREDICTED, None, 100, 0)
    plots.write_per_type(tmp_path / "per_type.csv", scores)
    rows = read_csv(tmp_path / "per_type.csv")
    assert [(row["type"], row["score"]) for row in rows] == [
        (kind, score) for score in ("micro", "lenient", "official") for kind in ("address", "movie", "name")
    ]
    for row in rows:
        line = scores[row["score"]]["per_type"][row["type"]]
        found = [float(row[key]) for key in ("f1", "low", "high")]
        assert found == pytest.approx([line["f1"], *line["f1_ci95"]], abs=1e-6)


def test_plots_write_a_header_where_there_is_nothing(tmp_path: Path) -> None:
    plots.write_confusion(tmp_path / "confusion.csv", [], [])
    plots.write_per_type(tmp_path / "per_type.csv", report([], [], None, 100, 0))
    assert (tmp_path / "confusion.csv").read_text() == "actual,predicted\n"
    assert (tmp_path / "per_type.csv").read_text() == "type,score,f1,low,high\n"


def draw(folder: Path) -> list[bytes]:
    plots.per_type_figure(folder / "per_type.png", report(GOLD, PREDICTED, None, 100, 0))
    plots.confusion_figure(folder / "confusion.png", GOLD, PREDICTED)
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def test_plots_figures_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    first = draw(tmp_path / "a")
    with matplotlib.rc_context({"axes.facecolor": "red", "savefig.dpi": 30, "font.size": 30}):
        assert draw(tmp_path / "b") == first
    assert len(first) == 2
    for data in first:
        assert data.startswith(b"\x89PNG")
        assert b"Software" not in data


def test_plots_figures_show_something(tmp_path: Path) -> None:
    draw(tmp_path)
    for path in tmp_path.iterdir():
        pixels = matplotlib.image.imread(path)
        assert min(pixels.shape[:2]) > 200
        assert pixels[..., :3].std() > 0.05


@pytest.mark.filterwarnings("error")
def test_plots_figures_of_nothing_are_drawn(tmp_path: Path) -> None:
    plots.per_type_figure(tmp_path / "per_type.png", report([], [], None, 100, 0))
    plots.confusion_figure(tmp_path / "confusion.png", [], [])
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())


def test_plots_leave_no_half_written_figure(tmp_path: Path) -> None:
    (tmp_path / "confusion.png").mkdir()
    with pytest.raises(OSError, match=r"confusion\.png"):
        plots.confusion_figure(tmp_path / "confusion.png", GOLD, PREDICTED)
    assert [path.name for path in tmp_path.iterdir()] == ["confusion.png"]


def fonts(*families: str) -> list[font_manager.FontEntry]:
    """The entries of the machine's fonts with these family names."""
    return [entry for entry in font_manager.fontManager.ttflist if entry.name in families]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("types", [("人名", "地址"), ("이름", "장소"), ("😀", "\ue000")])
def test_plots_say_once_that_a_font_is_missing(
    types: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(font_manager.fontManager, "ttflist", fonts("DejaVu Sans"))
    plots._note_missing_font.cache_clear()
    named = [
        Sentence(s.id, s.text, tuple(Entity(e.start, e.end, types[e.type == "name"]) for e in s.entities)) for s in GOLD
    ]
    with caplog.at_level(logging.WARNING):
        plots.per_type_figure(tmp_path / "per_type.png", report(named, [s.entities for s in named], None, 100, 0))
        plots.confusion_figure(tmp_path / "confusion.png", named, [s.entities for s in named])
    (message,) = caplog.messages
    assert "apt-get install fonts-noto-cjk" in message
    assert len(list(tmp_path.glob("*.png"))) == 2


@pytest.mark.filterwarnings("error")
def test_plots_in_latin_say_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(font_manager.fontManager, "ttflist", fonts("DejaVu Sans"))
    plots._note_missing_font.cache_clear()
    draw(tmp_path)
    assert caplog.messages == []


def test_plots_pass_other_warnings_on(tmp_path: Path) -> None:
    figure = Figure()
    figure.add_artist(Loud())
    with pytest.warns(DeprecationWarning, match="^loud$"):
        plots.save(figure, tmp_path / "figure.png")


class Loud(Artist):
    """Warns when it is drawn."""

    def draw(self, renderer: object) -> None:
        warnings.warn("loud", DeprecationWarning, stacklevel=1)
