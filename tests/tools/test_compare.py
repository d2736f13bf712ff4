"""The comparison of two configurations, of the same sentences and the same seeds."""

import pytest

from clue_ner.common.errors import ArtifactError
from clue_ner.evaluation.scores import micro_f1
from tools.results.compare import compare
from tools.results.configurations import configurations, find
from tools.results.rows import own_params, read_counts, read_rows, write_row


def test_compare_pools_the_seeds_that_both_have(root, add_row):
    for seed in (0, 1, 2):
        add_row(0.7, seed=seed)
    better = [add_row(0.8, seed=seed, train__head="softmax") for seed in (1, 2, 3)]
    there, counts = configurations(read_rows(root), own_params(root)), read_counts(root)
    one = compare(counts, find("head=softmax", there), find("default", there), resamples=500)
    assert one.a.seeds == one.b.seeds == [1, 2] and one.low > 0 and one.p < 0.05
    pooled = sum(counts[row.row] for row in better[:2])
    base = sum(counts[row.row] for row in find("default", there).rows[1:])
    assert one.test == pytest.approx(micro_f1(pooled) - micro_f1(base))
    assert one.valid == pytest.approx(0.1)
    same = compare(counts, find("default", there), find("default", there), resamples=500)
    assert (same.test, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_compare_takes_all_seeds_where_none_is_common(root, add_row):
    add_row(0.7, seed=0), add_row(0.8, seed=1, train__head="softmax"), add_row(0.8, seed=2, train__head="softmax")
    there = configurations(read_rows(root), own_params(root))
    one = compare(read_counts(root), find("head=softmax", there), find("default", there), resamples=100)
    assert (one.a.seeds, one.b.seeds) == ([1, 2], [0])


def test_compare_refuses_another_test_split(root, add_row):
    add_row(0.7, seed=1), add_row(0.8, seed=1, corpus__name="sample", test="s" * 64)
    a, b = configurations(read_rows(root), own_params(root))
    with pytest.raises(ArtifactError, match="different test splits"):
        compare(read_counts(root), a, b)


def test_compare_refuses_another_number_of_sentences(root, add_row):
    add_row(0.7, seed=1)
    shorter = add_row(0.8, seed=1, train__head="softmax")
    write_row(root, shorter, {}, read_counts(root)[shorter.row][:-1], replace=True)
    a, b = configurations(read_rows(root), own_params(root))
    with pytest.raises(ArtifactError, match=r"counts 299 sentences, .* 300; add both rows again"):
        compare(read_counts(root), a, b)
