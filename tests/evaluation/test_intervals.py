import numpy as np
import pytest

from clue_ner.evaluation import intervals


def test_intervals_resample_draws_as_many_sentences_as_there_are() -> None:
    sums = intervals.resample(np.ones((37, 2, 3), dtype=np.int64), 50, 0)
    assert sums.shape == (50, 2, 3)
    assert (sums == 37).all()


def test_intervals_resample_draws_the_same_sentences_whatever_is_counted() -> None:
    counts = np.random.default_rng(0).integers(0, 9, (20, 3))
    together = intervals.resample(counts, 100, 1)
    separate = [intervals.resample(counts[:, i], 100, 1) for i in range(3)]
    assert (together == np.stack(separate, axis=1)).all()
    assert (together != intervals.resample(counts, 100, 2)).any()


def test_intervals_resample_in_steps_equals_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = np.random.default_rng(0).integers(0, 9, (20, 3))
    at_once = intervals.resample(counts, 100, 1)
    monkeypatch.setattr(intervals, "_WEIGHTS_AT_ONCE", 130)  # 6 resamples a step, 4 in the last
    assert (intervals.resample(counts, 100, 1) == at_once).all()
    monkeypatch.setattr(intervals, "_WEIGHTS_AT_ONCE", 1)
    assert (intervals.resample(counts, 100, 1) == at_once).all()


def test_intervals_resample_of_no_sentences_is_zero() -> None:
    assert (intervals.resample(np.zeros((0, 4, 3), dtype=np.int64), 5, 0) == np.zeros((5, 4, 3))).all()


def test_intervals_resample_spreads_as_the_mean_does() -> None:
    values = np.random.default_rng(0).integers(0, 100, 400)
    means = intervals.resample(values, 4000, 0) / 400
    assert means.mean() == pytest.approx(values.mean(), rel=0.01)
    assert means.std() == pytest.approx(values.std() / 20, rel=0.05)


def test_intervals_interval95_leaves_out_two_and_a_half_percent_on_each_side() -> None:
    assert intervals.interval95(np.arange(1001.0)[::-1]) == [25, 975]
