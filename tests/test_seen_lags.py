"""Lags as they were seen, against statsmodels' Aalen-Johansen estimate and under late recording."""

import datetime as dt
from itertools import pairwise

import numpy as np
import pytest
from known_ways import FIRST, gamma, lived, records_of
from statsmodels.duration.api import CumIncidenceRight

from forecast.history.fitting.seen_lags import (
    Bins,
    bins_table,
    equal_bins,
    seen_to_the_end,
    self_consistent,
    values_of,
)
from forecast.history.fitting.tallies import stays_of, tally
from forecast.history.fitting.ways import fit_ways
from forecast.history.records import Gap

WAYS = (("won", 0.35, gamma(20, 0.6)), ("lost", 0.45, gamma(12, 0.9)))


def history(seed, n=600, days=120, gap=None):
    rng = np.random.default_rng(seed)
    entered = days * rng.random(n)
    left, to = lived(rng, entered, days, WAYS)
    gaps = {}
    if gap is not None:
        since, complete = gap
        gaps = {"opportunity": Gap(dt.date.fromordinal(FIRST + since), complete)}
        hidden = left < since
        if complete:
            left = np.where(hidden, np.nan, left)
        else:
            entered, left, to = entered[~hidden], left[~hidden], to[~hidden]
    return records_of(entered, left, to, days, gaps)


def test_censored_lags_by_the_day_are_aalen_and_johansens():
    records = history(1)
    stays = stays_of(records, "opportunity")
    counts = tally(stays)
    edges = {k: np.arange(counts.longest + 2) for k in range(2)}
    conversions, bins = self_consistent(counts, [], edges, True)
    time = np.where(stays.way < 0, stays.as_of - stays.entered, stays.left - stays.entered)
    theirs = CumIncidenceRight(time.astype(float), (stays.way + 1).astype(float))
    for k in range(2):
        ours = conversions[k] * np.cumsum(bins[k].chances)
        days = theirs.times.astype(int)
        early = days < 90  # beyond, few are at risk and the tiny start shows
        assert ours[days[early]] == pytest.approx(theirs.cinc[k][early], abs=2e-3)


@pytest.mark.parametrize("complete", [True, False])
def test_late_recording_leaves_conversions_where_they_are(complete):
    records = history(2, n=20_000, days=200, gap=(100, complete))
    counts = tally(stays_of(records, "opportunity"))
    edges = {k: np.append(np.arange(0, 60, 4), 120) for k in range(2)}
    conversions, _ = self_consistent(counts, [], edges, complete)
    assert conversions == pytest.approx([0.35, 0.45], abs=0.02)
    assert abs(counts.left.sum(axis=1) / counts.entered.sum() - [0.35, 0.45]).max() > 0.03


def test_two_humps_are_told_as_they_were_seen():
    rng = np.random.default_rng(7)
    entered = 700 * rng.random(3000)

    lags = []

    def humps(rng, n):
        lags.append(np.where(rng.random(n) < 0.5, rng.gamma(9, 1.0, n), rng.normal(80, 8, n)))
        return lags[0]

    left, to = lived(rng, entered, 700, [("won", 0.5, humps)])
    won = fit_ways(records_of(entered, left, to, 700))[0]
    assert won.lag.family == "values"
    days, shares = np.array(won.lag.values).T
    assert shares.sum() == pytest.approx(1.0)
    assert shares[days < 30].sum() == pytest.approx(0.5, abs=0.06)
    assert shares[(days > 35) & (days < 50)].sum() < 0.05
    assert won.lag.mean_days.low < lags[0].mean() < won.lag.mean_days.high
    assert won.lag.aic["values"] < min(won.lag.aic[f] for f in ("gamma", "lognormal", "weibull"))


def test_a_lag_that_was_not_seen_to_its_end_is_told_by_a_family():
    rng = np.random.default_rng(8)
    entered = 100 * rng.random(3000)
    left, to = lived(rng, entered, 100, [("won", 0.9, gamma(100, 0.5))])
    records = records_of(entered, left, to, 100)
    assert not seen_to_the_end(tally(stays_of(records, "opportunity")), 0)
    assert fit_ways(records)[0].lag.family != "values"


def test_bins_hold_as_many_cases_each_and_values_keep_their_mean():
    counts = tally(stays_of(history(3, n=5000, days=400), "opportunity"))
    edges = equal_bins(counts, 0)
    inside = [counts.left[0][a:b].sum() for a, b in pairwise(edges)]
    assert sum(inside) == counts.left[0].sum()
    assert max(inside) < 3 * np.median(inside)
    bins = Bins(edges, np.array(inside) / sum(inside))
    table = bins_table(bins, counts.longest)
    assert table.by[-1] == pytest.approx(1.0)
    mean = sum(day * share for day, share in values_of(bins))
    assert mean == pytest.approx(table.at @ np.arange(counts.longest + 1), abs=0.2)
