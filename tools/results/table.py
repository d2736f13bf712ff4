"""The tables of docs/results.md, between two marks, made only from the rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clue_ner.common.errors import ArtifactError
from clue_ner.common.files import write_text
from clue_ner.evaluation.report import micro_f1_ci95
from tools.results.compare import RESAMPLES, SEED, Comparison, compare
from tools.results.configurations import DEFAULT, Configuration, configurations, mean_sd, rows_of
from tools.results.figure import draw
from tools.results.recipes import FILE, read_recipes
from tools.results.rows import FOLDER, Counts, own_params, read_counts, read_per_type

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
FIGURE = FOLDER / "f1.png"


def write_table(root: Path) -> list[Configuration]:
    """Write the tables into docs/results.md and the figure next to the rows; returns configurations by valid F1.

    Rows of the corpus that params.yaml names are shown. Raises ArtifactError where the marks are missing.
    """
    base = own_params(root)
    rows, hidden = rows_of(root, base["corpus.name"])
    recipes = read_recipes(root, base)
    found, counts = configurations(rows, base, recipes), read_counts(root)
    path = root / "docs/results.md"
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ArtifactError(f"{path}: wanted the lines {BEGIN} and {END}, with the tables to be written between them")
    if found:
        intervals = {c.name: tuple(micro_f1_ci95(c.pooled(counts), RESAMPLES, SEED)) for c in found}
        draw(root / FIGURE, found, intervals)
    write_text(path, f"{before}{BEGIN}\n{render(found, counts, read_per_type(root), hidden, recipes)}\n{END}{after}")
    return found


def render(
    found: Sequence[Configuration],
    counts: Mapping[str, Counts],
    per_type: Iterable[Mapping[str, str]],
    hidden: int,
    recipes: Mapping[str, Mapping[str, Any]],
) -> str:
    """The tables in Markdown.

    - ``found``: configurations, best valid F1 first;
    - ``counts``: of each sentence, by row;
    - ``per_type``: the lines of per_type.csv;
    - ``hidden``: how many rows of other corpora are left out, which the text mentions;
    - ``recipes``: params by name, which the text explains.
    """
    if not found:
        return "No row yet: see [experiments.md](experiments.md)."
    default = next((c for c in found if c.label == DEFAULT), None)
    parts = [
        "Written by `python -m tools.results table` from [rows.csv](results/rows.csv); sorted by mean valid F1. "
        "Several\nseeds: mean ± sample standard deviation. One seed: the 95 % bootstrap interval in brackets, "
        "which does not cover\nthe variation between seeds. *Other*: differences from the committed params.yaml."
        + "".join(
            f"\n*{name}* ([{FILE.name}](results/{FILE.name})): {', '.join(f'`{k}={v}`' for k, v in params.items())}."
            for name, params in recipes.items()
        )
        + (f"\n{hidden} rows of other corpora are not shown." if hidden else ""),
        *_grid(found),
        "### All configurations",
        _scores(found),
        f"![F1 of each configuration](results/{FIGURE.name})",
        "### What it costs\n\nOnly rows that were measured while nothing else ran on the machine (`--timed`).",
        _costs(found),
        "### Against the committed configuration",
        _against(found, counts, default),
        f"### Each type ({_title(found[0])}: best by valid)",
        _types(found[0], per_type),
        "### How each row was made",
        _table(
            ("row", "commit", "command"),
            ((row.row, f"`{row.commit[:10]}`", f"`{row.command}`") for c in found for row in c.rows),
        ),
    ]
    return "\n\n".join(parts)


def _grid(found: Iterable[Configuration]) -> list[str]:
    """Micro F1 by head and alignment, for the largest group with all other params equal; empty for a group of one."""
    alike: dict[str, dict[tuple[str, str], Configuration]] = {}
    for c in found:
        alike.setdefault(c.others, {})[c.rows[0].head, c.rows[0].align] = c
    others, cells = max(alike.items(), key=lambda one: len(one[1]))
    if len(cells) < 2:
        return []
    heads, aligns = (list(dict.fromkeys(names)) for names in zip(*cells))

    def cell(head: str, align: str) -> str:
        if (c := cells.get((head, align))) is None:
            return "–"
        return f"{_mean(c.values('micro_f1'))} ({_mean(c.values('valid_f1'))})"

    lines = ((head, *(cell(head, align) for align in aligns)) for head in heads)
    alike_in = f"All with: {others}. " if others else ""
    title = f"### Heads and alignments\n\n{alike_in}Micro F1 on test, and in parentheses on valid."
    return [title, _table(("head", *aligns), lines)]


def _scores(found: Iterable[Configuration]) -> str:
    scores = ("valid micro F1", "micro F1", "lenient F1", "official macro F1")
    header = ("head", "alignment", "other", "seeds", *scores, "weights")
    lines = (
        (
            c.rows[0].head,
            c.rows[0].align,
            c.others or "–",
            ", ".join(map(str, c.seeds)),
            _mean(c.values("valid_f1")),
            *(_score(c, score) for score in ("micro", "lenient", "official")),
            _each(c, "parameters", lambda n: f"{n / 1e6:.1f} M"),
        )
        for c in found
    )
    return _table(header, lines)


def _costs(found: Iterable[Configuration]) -> str:
    header = ("configuration", "model", "training", "characters/s trained", "characters/s tagged", "device")
    lines = [
        (
            _title(c),
            _each(c, "model_bytes", lambda n: f"{n / 1e6:.0f} MB"),
            _each(c, "train_minutes", lambda n: f"{n:.1f} min"),
            _each(c, "train_characters_per_second", lambda n: f"{n:,.0f}"),
            _each(c, "tag_characters_per_second", lambda n: f"{n:,.0f}"),
            "; ".join(dict.fromkeys(row.device for row in c.rows if row.tag_characters_per_second)),
        )
        for c in found
        if c.values("tag_characters_per_second")
    ]
    return _table(header, lines) if lines else "Nothing yet."


def _against(found: Iterable[Configuration], counts: Mapping[str, Counts], default: Configuration | None) -> str:
    if default is None:
        return "No row of the committed parameters yet: `dvc exp run`, then `python -m tools.results add`."
    others = [compare(counts, c, default) for c in found if c is not default]
    if not others:
        return "No other configuration yet."
    header = ("configuration", "seeds", "valid micro F1", "micro F1", "95 % interval", "p")
    lines = (
        (
            _title(one.a),
            _seeds(one),
            "–" if one.valid is None else f"{100 * one.valid:+.2f}",
            f"{100 * one.test:+.2f}",
            f"{100 * one.low:+.2f} to {100 * one.high:+.2f}",
            f"{one.p:.4f}",
        )
        for one in others
    )
    text = (
        f"Differences in points of F1; interval and p: paired bootstrap over test sentences, {RESAMPLES:,} resamples."
    )
    return f"{text}\n\n{_table(header, lines)}"


def _seeds(one: Comparison) -> str:
    """The seeds of both, or of each if they differ."""
    a, b = (", ".join(map(str, c.seeds)) for c in (one.a, one.b))
    return a if a == b else f"{a} against {b}"


def _types(configuration: Configuration, per_type: Iterable[Mapping[str, str]]) -> str:
    """The scores of each type: for one seed with intervals, else means over seeds."""
    rows = [row.row for row in configuration.rows]
    by_type: dict[str, list[Mapping[str, str]]] = {}
    for line in per_type:
        if line["row"] in rows:
            by_type.setdefault(line["type"], []).append(line)
    lines = []
    for name, scores in by_type.items():
        cells = [_mean([float(score[key]) for score in scores]) for key in ("precision", "recall", "f1")]
        if len(rows) == 1:
            cells[-1] += f" ({100 * float(scores[0]['low']):.1f} – {100 * float(scores[0]['high']):.1f})"
        lines.append((name, *cells, scores[0]["entities"]))
    return _table(("type", "precision", "recall", "micro F1", "entities"), lines)


def _title(configuration: Configuration) -> str:
    row = configuration.rows[0]
    return ", ".join(filter(None, (row.head, row.align, configuration.others)))


def _score(configuration: Configuration, score: str) -> str:
    if len(configuration.rows) > 1:
        return _mean(configuration.values(f"{score}_f1"))
    f1, low, high = (100 * getattr(configuration.rows[0], f"{score}_{key}") for key in ("f1", "low", "high"))
    return f"{f1:.2f} ({low:.1f} – {high:.1f})"


def _mean(values: Sequence[float]) -> str:
    if not values:
        return "–"
    mean, deviation = mean_sd([100 * value for value in values])
    return f"{mean:.2f}" if deviation is None else f"{mean:.2f} ± {deviation:.2f}"


def _each(configuration: Configuration, column: str, text: Callable[[float], str]) -> str:
    """The mean over the rows that have this value."""
    values = configuration.values(column)
    return text(mean_sd(values)[0]) if values else "–"


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
