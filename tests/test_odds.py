"""Open deals with a chance and a time of their own: what their odds say, drawn and counted."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from helpers import FALSE_ALARM
from open_deals import with_deals
from scipy import stats
from test_pipeline_law import opened

from forecast.engine.dataset import simulate
from forecast.engine.odds import closed_by

RUNS = 40_000
DEALS = [
    {"channel": "fair", "amount": 1.0, "probability": 0.3, "close_period": 2, "close_days": 80},
    {"amount": 10.0, "probability": 0.7, "close_period": 1, "close_days": 50, "close_cv": 0.5},
    {"product": "b", "amount": 100.0, "probability": 0.45, "close_period": 6, "close_days": 190,
     "close_cv": 1.1},
    {"channel": "fair", "amount": 1_000.0, "probability": 1.0, "close_period": 4},
    {"amount": 10_000.0, "probability": 0.0, "close_period": 1},
    {"product": "b", "amount": 100_000.0, "probability": 0.02, "close_period": 1,
     "close_days": 30, "close_cv": 0.2},
]  # fmt: skip
PERIOD_DAYS = 365.25 / 12


def base():
    return dataclasses.replace(opened("certain"), pipeline=None)


def bookings(rows, runs=RUNS, seed=5):
    data = simulate(with_deals(base(), rows), runs=runs, seed=seed, detail="outcome")
    return data.pipeline_bookings.values.sum(axis=(2, 3, 4)), data


def chances(deal, quarters):
    """By hand: the chance to be won in each quarter."""
    ends = 3.0 * np.arange(1, quarters + 1)
    cv = deal.get("close_cv", 0.0)
    if cv == 0.0:
        done = (ends > deal["close_period"]).astype(float)
    else:
        sigma = np.sqrt(np.log1p(cv**2))
        scale = deal["close_days"] / np.exp(sigma**2 / 2)
        done = stats.lognorm(sigma, scale=scale).cdf(ends * PERIOD_DAYS)
    return deal["probability"] * np.diff(done, prepend=0.0)


def test_every_deal_is_won_as_often_as_it_should_be():
    """The digits of the sum tell which deals were won: each quarter of each, exactly binomial."""
    money, _ = bookings(DEALS)
    quarters, tests = money.shape[1], 0
    for place, deal in enumerate(DEALS):
        won = np.round(money).astype(np.int64) // 10**place % 10 == 1
        for q, p in enumerate(chances(deal, quarters)):
            tests += 1
            test = stats.binomtest(int(won[:, q].sum()), RUNS, min(p, 1.0))
            assert test.pvalue > FALSE_ALARM / 100, (place, q, p, won[:, q].mean())
    assert tests == len(DEALS) * quarters < 100


def test_deals_are_independent_of_each_other():
    money, _ = bookings(DEALS[:3])
    digits = np.round(money.sum(axis=1)).astype(np.int64)
    won = [digits // 10**place % 10 == 1 for place in range(3)]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        z = np.corrcoef(won[one], won[other])[0, 1] * np.sqrt(RUNS)
        assert abs(z) < stats.norm.isf(FALSE_ALARM / 6)


@pytest.mark.parametrize("left_out", range(len(DEALS)))
def test_each_deal_goes_its_own_way(left_out):
    rows = [{**row, "id": f"D-{i}"} for i, row in enumerate(DEALS)]
    _, together = bookings(rows, 300)
    _, rest = bookings(rows[:left_out] + rows[left_out + 1 :], 300)
    _, alone = bookings([rows[left_out]], 300)
    for name in ("pipeline_deals", "pipeline_bookings"):
        assert np.array_equal(together[name], rest[name] + alone[name])


def test_deals_without_an_amount_are_won_as_often():
    blank = [{**row, "amount": np.nan} for row in DEALS]
    _, known = bookings(DEALS, 500)
    _, drawn = bookings(blank, 500)
    assert np.array_equal(known.pipeline_deals, drawn.pipeline_deals)
    assert not np.array_equal(known.pipeline_bookings, drawn.pipeline_bookings)


def test_days_that_are_over_do_not_count():
    """From the middle of the first month on, a quarter ends half a month earlier."""
    calendar = opened("certain", "2027-01-16").calendar
    at = closed_by(np.array([[-1.0, 60.0, 0.5]]), calendar)[0, 0]
    sigma = np.sqrt(np.log(1.25))
    law = stats.lognorm(sigma, scale=60.0 / np.exp(sigma**2 / 2))
    part = calendar.first_offset
    assert 0.0 < part < 1.0
    assert at == pytest.approx(law.cdf((3 - part) * calendar.period_days), abs=1e-9)
