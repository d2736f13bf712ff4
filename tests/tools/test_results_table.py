"""The tables, the figure and the comparison, from rows that are written here."""

from pathlib import Path
from statistics import mean, stdev
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from click.testing import CliRunner
from support.changed_params import write_params

from clue_ner.cli.main import main
from clue_ner.common.errors import ArtifactError, UnknownNameError
from clue_ner.evaluation.scores import micro_f1, micro_f1_ci95
from tools.results.compare import compare
from tools.results.configurations import configurations, find
from tools.results.recipes import FILE, read_recipes
from tools.results.rows import Row, own_params, read_counts, read_per_type, read_rows, row_name, write_row
from tools.results.table import BEGIN, END, write_table

SENTENCES = 300


def add_row(root: Path, share: float, *, replace: bool = False, test: str = "t" * 64, **changes: Any) -> Row:
    """A row whose tagger finds a ``share`` of the entities; ``changes`` are params, with __ in the place of the dot."""
    params = own_params(root) | {name.replace("__", "."): value for name, value in changes.items()}
    generator = np.random.default_rng(params["seed"])
    gold = generator.integers(1, 4, SENTENCES)
    correct = generator.binomial(gold, share)
    counts = np.stack([correct, gold, gold], axis=1)
    f1 = micro_f1(counts)
    low, high = micro_f1_ci95(counts, 200, 0)
    score = {"precision": f1, "recall": f1, "f1": f1, "f1_ci95": [low, high], "support": int(gold.sum())}
    scores = {f"{name}_{key}": value for name in ("micro", "lenient", "official") for key, value in
              (("f1", f1), ("low", low), ("high", high))}  # fmt: skip
    row = Row(
        row=row_name(params), corpus=params["corpus.name"], backbone="e5-small", head=params["train.head"],
        align=params["tagging.align"], scheme="BIO", seed=params["seed"], valid_f1=share, micro_precision=f1,
        micro_recall=f1, **scores, parameters=61_800_000, model_bytes=250_000_000, train_minutes=None,
        train_characters_per_second=None, tag_characters_per_second=None, device="cpu", commit="a" * 40,
        command="dvc exp run", test=test, params=params,
    )  # fmt: skip
    write_row(root, row, {"name": score}, counts, replace=replace)
    return row


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with an empty table."""
    write_params(tmp_path)
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/results.md").write_text(f"# Results\n\n{BEGIN}\n{END}\n\nThe end\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return tmp_path


def lines_of(root: Path, beginning: str) -> list[list[str]]:
    lines = (root / "docs/results.md").read_text().split("\n")
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith(beginning)]


def test_results_rows_come_back_as_they_were(root: Path) -> None:
    rows = [add_row(root, 0.8, seed=2), add_row(root, 0.8, seed=10, train__lr=3e-4)]
    assert {row.row: row for row in read_rows(root)} == {row.row: row for row in rows}
    (root / "docs/results/rows.csv").write_text((root / "docs/results/rows.csv").read_text().replace("0.8", "much"))
    with pytest.raises(ArtifactError, match=r"rows\.csv:2: not a row"):
        read_rows(root)


def test_results_rows_of_one_configuration_and_seed_are_one(root: Path) -> None:
    add_row(root, 0.8, seed=1, train__lr=1)
    with pytest.raises(ArtifactError, match="is there already"):
        add_row(root, 0.7, seed=1, train__lr=1.0)
    add_row(root, 0.7, seed=1, train__lr=1.0, replace=True)
    (row,) = read_rows(root)
    assert row.valid_f1 == 0.7 and micro_f1(read_counts(root, row.row)) == pytest.approx(row.micro_f1)


def test_results_row_of_older_code_is_the_configuration_without_the_new_param(root: Path) -> None:
    new = own_params(root)
    row = add_row(root, 0.8, seed=1)
    old = {name: value for name, value in row.params.items() if name != "train.warmup"}
    older = row.model_copy(update={"row": row_name(old), "params": old})
    assert older.row != row.row and older.name_by(new) == row.row
    (configuration,) = configurations([older, row.model_copy(update={"seed": 2, "params": new | {"seed": 2}})], new)
    assert configuration.label == "default" and configuration.seeds == [1, 2]


def test_results_table_gives_mean_and_deviation_of_seeds(root: Path) -> None:
    rows = [add_row(root, 0.8, seed=seed) for seed in (0, 1, 2)]
    alone = add_row(root, 0.7, seed=1, train__head="softmax", train__epochs=9)
    write_table(root)
    head = rows[0].head
    several, single = lines_of(root, f"| {head} | characters_over_pieces |")[0], lines_of(root, "| softmax |")[0]
    scores = [100 * row.micro_f1 for row in rows]
    assert several[2:6] == ["–", "0, 1, 2", "80.00 ± 0.00", f"{mean(scores):.2f} ± {stdev(scores):.2f}"]
    assert single[2:5] == ["epochs=9", "1", "70.00"]
    f1, low, high = (100 * value for value in (alone.micro_f1, alone.micro_low, alone.micro_high))
    assert single[5] == f"{f1:.2f} ({low:.1f} – {high:.1f})"
    ((_, seeds, valid, test, interval, p),) = lines_of(root, "| softmax, characters_over_pieces, epochs=9 | 1 | -")
    assert several[8] == single[8] == "61.8 M"
    assert (seeds, valid) == ("1", "-10.00") and float(p) < 0.05
    assert float(test) == pytest.approx(100 * (alone.micro_f1 - rows[1].micro_f1), abs=0.006)
    low, high = map(float, interval.split(" to "))
    assert low < float(test) < high < 0
    assert [line[0] for line in lines_of(root, f"| {head}-")] == [row.row for row in rows]
    by_type = read_per_type(root)
    f1 = [100 * float(line["f1"]) for line in by_type if line["row"].startswith(head)]
    assert lines_of(root, "| name |")[0][3] == f"{mean(f1):.2f} ± {stdev(f1):.2f}"
    assert matplotlib.image.imread(root / "docs/results/f1.png").shape[2] == 4


def test_results_table_has_a_grid_of_heads_and_alignments_that_differ_in_nothing_else(root: Path) -> None:
    (root / "docs/results").mkdir()
    (root / FILE).write_text("quick: {train.epochs: 3, train.r_drop: 0.0}\n")
    quick = {"train__epochs": 3, "train__r_drop": 0.0, "seed": 1}
    f1 = {
        (head, align): add_row(root, share, train__head=head, tagging__align=align, **quick).micro_f1
        for share, head, align in [(0.9, "crf", "pieces"), (0.8, "span", "characters"), (0.7, "crf", "characters")]
    }
    add_row(root, 0.95, seed=1)
    add_row(root, 0.95, train__head="crf", tagging__align="pieces", train__lr=1, **quick)
    assert {c.label for c in write_table(root)} == {"default"} | {f"quick, {rest}" for rest in (
        "align=pieces, head=crf", "align=characters, head=span", "align=characters, head=crf",
        "align=pieces, head=crf, lr=1")}  # fmt: skip
    cells = {pair: f"{100 * value:.2f}" for pair, value in f1.items()}
    assert "What they share: quick. " in (root / "docs/results.md").read_text()
    assert lines_of(root, "| head | pieces") == [["head", "pieces", "characters"]]
    assert lines_of(root, "| crf | ")[0] == [
        "crf", f"{cells['crf', 'pieces']} (90.00)", f"{cells['crf', 'characters']} (70.00)"
    ]  # fmt: skip
    assert lines_of(root, "| span | ")[0] == ["span", "–", f"{cells['span', 'characters']} (80.00)"]


def test_results_row_that_follows_a_recipe_in_part_is_called_by_its_params(root: Path) -> None:
    new, recipes = own_params(root), {"quick": {"train.epochs": 3, "train.r_drop": 0.0}}
    rows = [add_row(root, 0.8, seed=1, **changes) for changes in ({"train__epochs": 3}, {"train__r_drop": 0.0})]
    assert {c.label for c in configurations(rows, new, recipes)} == {"epochs=3", "r_drop=0.0"}
    same = {"kept": {"train.epochs": new["train.epochs"]}}
    assert {c.label for c in configurations(rows, new, same)} == {"epochs=3", "r_drop=0.0"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[quick]", "wanted names with params below them"),
        ("quick: 3", r"quick: wanted params such as train\.epochs"),
        ("quick: {train.epoch: 3}", r"quick: no param train\.epoch in params\.yaml"),
    ],
)
def test_results_recipes_refuse_what_is_no_recipe(root: Path, text: str, told: str) -> None:
    (root / "docs/results").mkdir()
    (root / FILE).write_text(text)
    with pytest.raises(ArtifactError, match=told):
        read_recipes(root, own_params(root))


def test_results_table_tells_costs_where_they_were_measured(root: Path) -> None:
    add_row(root, 0.8, seed=1)
    write_table(root)
    assert "Nothing yet." in (root / "docs/results.md").read_text()
    timed = add_row(root, 0.7, seed=1, train__head="crf").model_copy(update={"tag_characters_per_second": 1234.4})
    write_row(root, timed, {}, read_counts(root, timed.row), replace=True)
    write_table(root)
    ((*_, model, minutes, trained, tagged, device),) = lines_of(root, "| crf, characters_over_pieces | 250")
    assert (model, minutes, trained, tagged, device) == ("250 MB", "–", "–", "1,234", "cpu")


def test_results_table_orders_by_valid_and_keeps_the_text_around_it(root: Path) -> None:
    write_table(root)
    assert "No row yet" in (root / "docs/results.md").read_text()
    add_row(root, 0.6, seed=1)
    add_row(root, 0.9, seed=1, train__head="span")
    add_row(root, 0.5, seed=1, corpus__name="sample", test="s" * 64)
    assert [c.label for c in write_table(root)] == ["head=span", "default"]
    text = (root / "docs/results.md").read_text()
    assert text.startswith(f"# Results\n\n{BEGIN}\n") and text.endswith(f"{END}\n\nThe end\n")
    assert "No row yet" not in text and "1 rows of other corpora" in text and "(span, characters_over_pieces" in text
    write_table(root)
    assert (root / "docs/results.md").read_text() == text
    (root / "docs/results.md").write_text(text.replace(END, ""))
    with pytest.raises(ArtifactError, match="wanted the lines"):
        write_table(root)


def test_results_compare_pools_the_seeds_that_both_have(root: Path) -> None:
    for seed in (0, 1, 2):
        add_row(root, 0.7, seed=seed)
    better = [add_row(root, 0.8, seed=seed, train__head="softmax") for seed in (1, 2, 3)]
    there = configurations(read_rows(root), own_params(root))
    one = compare(root, find("head=softmax", there), find("default", there), resamples=500)
    assert one.a.seeds == one.b.seeds == [1, 2] and one.low > 0 and one.p < 0.05
    counts = sum(read_counts(root, row.row) for row in better[:2])
    base = sum(read_counts(root, row.row) for row in find("default", there).rows[1:])
    assert one.test == pytest.approx(micro_f1(counts) - micro_f1(base))
    assert find(better[2].row, there).seeds == [3]
    with pytest.raises(UnknownNameError, match="unknown row, configuration or label 'crff'"):
        find("crff", there)
    same = compare(root, find("default", there), find("default", there), resamples=500)
    assert (same.test, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_results_compare_refuses_another_test_split(root: Path) -> None:
    add_row(root, 0.7, seed=1)
    add_row(root, 0.8, seed=1, corpus__name="sample", test="s" * 64)
    answer = CliRunner().invoke(main, ["results", "compare", "corpus.name=sample"])
    assert answer.exit_code == 1 and "different test splits" in answer.stderr


def test_results_compare_says_the_difference(root: Path) -> None:
    add_row(root, 0.7, seed=1)
    add_row(root, 0.8, seed=1, train__head="softmax")
    answer = CliRunner().invoke(main, ["results", "compare", "head=softmax"])
    assert answer.exit_code == 0, answer.output
    assert "valid micro F1, A - B: +10.00 points" in answer.output and "95 % interval +" in answer.output
