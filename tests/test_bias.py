"""Estimates without bias: what is taken off the likeliest values, and conversions of late."""

import numpy as np
import pytest
from known_ways import CASES, gamma, known_history, lived, records_of

from forecast.history.fitting.bias import unbiased
from forecast.history.fitting.cohorts import level_now
from forecast.history.fitting.cure import Cure, Shape
from forecast.history.fitting.likelihood import Counts
from forecast.history.fitting.stage_fit import fit_stage
from forecast.history.fitting.tallies import stays_of, tally
from forecast.history.fitting.ways import fit_ways


def counts_of(entered, left, to, days):
    return tally(stays_of(records_of(entered, left, to, days), "opportunity"))


def test_of_finished_items_the_conversion_is_their_share():
    """The likeliest value has half a case added to each way; its bias is just that."""
    left = np.concatenate([np.full(30, 20.0), np.full(70, 11.0)])
    to = np.repeat(np.array(["won", "lost"], dtype=object), [30, 70])
    cure = Cure(Counts(counts_of(np.zeros(100), left, to, 400), False), all_leave=True)
    mode = cure.mode((Shape("gamma"), Shape("gamma")))
    assert mode.conversions[0] == pytest.approx(30.5 / 101, abs=1e-4)
    chances, _ = unbiased(cure, mode, cure.covariance(mode))
    assert chances[0] == pytest.approx(0.3, abs=1e-3)
    assert chances.sum() == pytest.approx(1.0)


def test_what_is_taken_off_a_mean_lag_is_what_it_is_off():
    """A gamma of known cv, seen up to a fixed day: the mean of many estimates less the truth."""
    rng, off, told = np.random.default_rng(3), [], []
    for _ in range(150):
        entered = 60.0 * rng.random(150)
        left, to = lived(rng, entered, 100, [("won", 0.6, gamma(50, 0.8))])
        cure = Cure(Counts(counts_of(entered, left, to, 100), False))
        mode = cure.mode((Shape("gamma"),))
        _, log_means = unbiased(cure, mode, cure.covariance(mode))
        off.append(np.exp(mode.lag(0)[0]) - 50.0)
        told.append(np.exp(mode.lag(0)[0]) - np.exp(log_means[0]))
    error = np.std(np.array(off) - told) / np.sqrt(len(off))
    assert abs(np.mean(off) - np.mean(told)) < 5.0 * error
    assert abs(np.mean(off) - np.mean(told)) < 0.2 * np.std(off)


def test_that_all_leave_is_found_where_they_do_and_not_where_some_stay():
    rng = np.random.default_rng(8)
    entered = 700 * rng.random(1_500)
    for lost, all_leave in ((0.7, True), (0.4, False)):
        ways = [("won", 0.3, gamma(40, 0.6)), ("lost", lost, gamma(20, 0.8))]
        left, to = lived(rng, entered, 700, ways)
        fit = fit_stage(counts_of(entered, left, to, 700), False)
        assert (fit.mode.conversions.sum() > 0.9999) == all_leave
        assert fit.values[0] == pytest.approx(0.3, abs=0.04)
        assert fit.values.sum() == pytest.approx(0.3 + lost, abs=0.04)


def test_the_level_of_late_is_taken_where_it_moved_only():
    cases = np.full(12, 500.0)
    rng = np.random.default_rng(5)
    still = 0.3 + 0.03 * rng.standard_normal(12)
    value, variance = level_now(cases * still, cases)
    assert value == pytest.approx(still.mean(), abs=0.02)
    moved = np.where(np.arange(12) < 6, 0.2, 0.45) + 0.01 * rng.standard_normal(12)
    late, unsure = level_now(cases * moved, cases)
    assert late == pytest.approx(0.45, abs=0.02)
    assert np.sqrt(variance) < 0.06 < np.sqrt(unsure) + 0.03
    assert level_now(np.zeros(6), cases[:6])[0] < 0.01


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_histories_give_back_their_truth(case):
    """Bias below a quarter of a standard error, and 90% intervals that hold it."""
    found = []
    for seed in range(200):
        records, conversion, mean = known_history(case, seed)
        won = fit_ways(records)[0]
        found.append([won.conversion, won.lag.mean_days])
    for estimates, truth in zip(zip(*found, strict=True), (conversion, mean), strict=True):
        values = np.array([e.value for e in estimates])
        assert abs(values.mean() - truth) < 0.25 * values.std(ddof=1)
        assert np.mean([e.low <= truth <= e.high for e in estimates]) > 0.85
