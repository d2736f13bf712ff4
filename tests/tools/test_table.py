"""The tables of docs/results.md, from rows that are written here."""

from statistics import mean, stdev

import pytest

from clue_ner.common.errors import ArtifactError
from tools.results.recipes import FILE
from tools.results.rows import read_counts, read_per_type, write_row
from tools.results.table import BEGIN, END, write_table


def lines_of(root, beginning):
    """The cells of the table's lines that begin so."""
    lines = (root / "docs/results.md").read_text().split("\n")
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith(beginning)]


def test_table_gives_mean_and_deviation_of_seeds(root, add_row):
    rows = [add_row(0.8, seed=seed) for seed in (0, 1, 2)]
    alone = add_row(0.7, seed=1, train__head="softmax", train__epochs=9)
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


def test_table_has_a_grid_of_heads_and_alignments_that_differ_in_nothing_else(root, add_row):
    (root / "docs/results").mkdir()
    (root / FILE).write_text("quick: {train.epochs: 3, train.r_drop: 0.0}\n")
    quick = {"train__epochs": 3, "train__r_drop": 0.0, "seed": 1}
    f1 = {
        (head, align): add_row(share, train__head=head, tagging__align=align, **quick).micro_f1
        for share, head, align in [(0.9, "crf", "pieces"), (0.8, "span", "characters"), (0.7, "crf", "characters")]
    }
    add_row(0.95, seed=1)
    add_row(0.95, train__head="crf", tagging__align="pieces", train__lr=1, **quick)
    assert {c.label for c in write_table(root)} == {"default"} | {f"quick, {rest}" for rest in (
        "align=pieces, head=crf", "align=characters, head=span", "align=characters, head=crf",
        "align=pieces, head=crf, lr=1")}  # fmt: skip
    cells = {pair: f"{100 * value:.2f}" for pair, value in f1.items()}
    assert "All with: quick. " in (root / "docs/results.md").read_text()
    assert lines_of(root, "| head | pieces") == [["head", "pieces", "characters"]]
    assert lines_of(root, "| crf | ")[0] == [
        "crf", f"{cells['crf', 'pieces']} (90.00)", f"{cells['crf', 'characters']} (70.00)"
    ]  # fmt: skip
    assert lines_of(root, "| span | ")[0] == ["span", "–", f"{cells['span', 'characters']} (80.00)"]


def test_table_has_costs_where_they_were_measured(root, add_row):
    add_row(0.8, seed=1)
    write_table(root)
    assert "Nothing yet." in (root / "docs/results.md").read_text()
    timed = add_row(0.7, seed=1, train__head="crf").model_copy(update={"tag_characters_per_second": 1234.4})
    write_row(root, timed, {}, read_counts(root)[timed.row], replace=True)
    write_table(root)
    ((*_, model, minutes, trained, tagged, device),) = lines_of(root, "| crf, characters_over_pieces | 250")
    assert (model, minutes, trained, tagged, device) == ("250 MB", "–", "–", "1,234", "cpu")


def test_table_is_ordered_by_valid_and_keeps_the_text_around_it(root, add_row):
    write_table(root)
    assert "No row yet" in (root / "docs/results.md").read_text()
    add_row(0.6, seed=1)
    add_row(0.9, seed=1, train__head="span")
    add_row(0.5, seed=1, corpus__name="sample", test="s" * 64)
    assert [c.label for c in write_table(root)] == ["head=span", "default"]
    text = (root / "docs/results.md").read_text()
    assert text.startswith(f"# Results\n\n{BEGIN}\n") and text.endswith(f"{END}\n\nThe end\n")
    assert "No row yet" not in text and "1 rows of other corpora" in text and "(span, characters_over_pieces" in text
    write_table(root)
    assert (root / "docs/results.md").read_text() == text
    (root / "docs/results.md").write_text(text.replace(END, ""))
    with pytest.raises(ArtifactError, match="wanted the lines"):
        write_table(root)
