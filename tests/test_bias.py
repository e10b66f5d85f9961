"""Estimates without bias: what is taken off the likeliest values, and conversions of late."""

import numpy as np
import pytest
from known_ways import gamma, lived, records_of

from forecast.history.fitting.bias import unbiased
from forecast.history.fitting.cohorts import level_now
from forecast.history.fitting.cure import Cure, Shape
from forecast.history.fitting.likelihood import Counts
from forecast.history.fitting.stage_fit import fit_stage
from forecast.history.fitting.tallies import stays_of, tally


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


def test_of_finished_items_the_mean_lag_is_that_of_a_gamma():
    """The mean of lags has no bias, so that of its logarithm is minus half its variance."""
    rng = np.random.default_rng(3)
    lags = np.round(rng.gamma(2.0, 400.0, 40))
    cure = Cure(Counts(counts_of(np.zeros(40), lags, "won", 5_000), False))
    mode = cure.mode((Shape("gamma"),))
    covariance = cure.covariance(mode)
    _, log_means = unbiased(cure, mode, covariance)
    variance = covariance[1, 1]
    assert variance > 0.008
    assert log_means[0] == pytest.approx(np.log(lags.mean()), abs=0.1 * variance)


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
    value, variance = level_now(cases * still, cases, cases)
    assert value == pytest.approx(still.mean(), abs=0.02)
    moved = np.where(np.arange(12) < 6, 0.2, 0.45) + 0.01 * rng.standard_normal(12)
    late, unsure = level_now(cases * moved, cases, cases)
    assert late == pytest.approx(0.45, abs=0.02)
    assert np.sqrt(variance) < 0.06 < np.sqrt(unsure) + 0.03
    # Of the last month a tenth was seen by now, and four times as much as others had.
    seen = np.append(cases[:-1], 50.0)
    young, _ = level_now(seen * np.append(still[:-1], 0.9), seen, cases)
    assert young == pytest.approx(still.mean(), abs=0.02)
    assert level_now(np.zeros(6), cases[:6], cases[:6])[0] < 0.01
