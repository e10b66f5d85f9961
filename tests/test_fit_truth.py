"""Fits of made histories against what is true of them: several stages, and limits on work."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from histories import Truth, Way, gamma_days, simulate_history
from scipy import stats

import forecast
from forecast.history.fitting.fit import Options, fit_records
from forecast.history.fitting.throughput import find_throughput
from forecast.history.records import OPEN, build_records
from forecast.history.writing.write import scenario_of

SURELY = stats.norm.isf(1e-6 / 2 / 10)  # of ten comparisons in this file
JOURNEY = {
    "lead": (
        Way("opportunity", 0.4, gamma_days(20, 0.8)),
        Way("won", 0.05, gamma_days(10, 0.5)),
        Way("lost", 0.55, gamma_days(15, 1.0)),
    ),
    "opportunity": (Way("won", 0.35, gamma_days(50, 0.6)), Way("lost", 0.65, gamma_days(30, 0.9))),
}
SHARE = 0.05 + 0.4 * 0.35  # that is won in the end
A_DAY = {"web": 4.0, "events": 1.5}


def test_deals_of_a_journey_of_several_stages_are_near_the_truth():
    """Two ways on from one stage, of which one ends: deals, and items that enter each stage."""
    records = simulate_history(Truth(JOURNEY, A_DAY, days=730), 5)
    read = scenario_of(fit_records(records, options=Options(horizon="6 quarters")))
    data = forecast.simulate(read, runs=2_000, seed=0)
    leads, items = sum(A_DAY.values()) * 365.25 / 4, len(records.items)
    arrivals = 1 / (sum(A_DAY.values()) * 365)  # a level with a half-life of about a year
    quarters = slice(3, -1)  # whole ones in which only new leads are won
    entered = data.entered.sum(["channel", "segment"]).mean("run")
    deals = data.deals.sum(["channel", "segment", "product"]).mean("run").values[quarters]
    for found, share in ((deals, SHARE), (entered.sel(stage="opportunity").values[quarters], 0.4)):
        error = np.sqrt(arrivals + (1 - share) / (share * items))
        assert found.mean() == pytest.approx(leads * share, rel=SURELY * error)


def history_of_a_desk(limit):
    """Items that arrive at random, of which at most so many a month go on, oldest first."""
    rng = np.random.default_rng(3)
    day = np.sort(rng.integers(0, 730, rng.poisson(60 * 24)))
    day = np.sort(np.r_[day, rng.integers(200, 260, 150), rng.integers(480, 520, 150)])
    if limit:
        slot = np.arange(len(day)) * 30.4375 / limit
        done = np.maximum.accumulate(day + 1.0 - slot) + slot
    else:
        done = day + rng.gamma(2.0, 10.0, len(day))
    open_ = done >= 730
    zero = dt.date(2025, 1, 1).toordinal()
    left = np.where(open_, OPEN, zero + done.astype(int))
    stays = {"item": range(len(day)), "stage": "talk", "entered": zero + day, "left": left}
    to = np.where(open_, "", "won")
    items = pd.DataFrame({"id": [f"{i}" for i in range(len(day))]})
    end = dt.date.fromordinal(zero + 729)
    return build_records(items, pd.DataFrame(stays | {"to": to}), ("talk",), end)


@pytest.mark.parametrize(("limit", "flat"), [(62, True), (None, False)])
def test_a_limit_on_what_is_worked_is_seen_and_never_applied(limit, flat):
    records = history_of_a_desk(limit)
    (found,) = find_throughput(records)
    assert found.flat is flat
    assert found.months == 24
    if limit:
        assert found.most_onward in (62, 63, 64)
    read = scenario_of(fit_records(records))
    assert not read.versions[0].capacity
