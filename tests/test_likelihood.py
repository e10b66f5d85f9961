"""The likelihood of records against the definition, item by item."""

import datetime as dt
import math

import numpy as np
import pytest
from known_ways import FIRST, gamma, lived, records_of
from scipy import integrate, stats

from forecast.history.fitting.cure import Cure, Shape, softmax
from forecast.history.fitting.likelihood import Counts
from forecast.history.fitting.tallies import stays_of, tally
from forecast.history.records import OPEN, UNDATED, Gap

SHAPES = (Shape("gamma"), Shape("weibull"))
WAYS = (("won", 0.3, gamma(30, 0.7)), ("lost", 0.5, gamma(20, 1.1)))
SINCE = 60


def some_records(complete=None, n=150, days=150):
    rng = np.random.default_rng(5)
    entered = days * rng.random(n)
    left, to = lived(rng, entered, days, WAYS)
    if complete is None:
        gaps = {}
    else:
        gaps = {"opportunity": Gap(dt.date.fromordinal(FIRST + SINCE), complete)}
        hidden = left < SINCE
        if complete:
            left = np.where(hidden, np.nan, left)
        else:
            entered, left, to = entered[~hidden], left[~hidden], to[~hidden]
    return records_of(entered, left, to, days, gaps)


def by_hand(records, chances, laws, complete):
    """The log-likelihood from the definition, by quadrature."""

    def until(k, days):
        if days < 0:
            return 0.0
        return integrate.quad(laws[k].cdf, days, days + 1)[0]

    total, as_of = 0.0, records.as_of.toordinal()
    since = FIRST if complete is None else FIRST + SINCE
    for stay in records.stays.itertuples():
        age, unseen = as_of - stay.entered, since - 1 - stay.entered
        before = sum(c * until(k, unseen) for k, c in enumerate(chances))
        if stay.left == OPEN:
            gone = sum(c * until(k, age) for k, c in enumerate(chances))
            chance = 1 - gone + (before if complete else 0.0)
        else:
            k = ("won", "lost").index(stay.to)
            if stay.left == UNDATED:
                chance = chances[k] * (until(k, age) - until(k, unseen))
            else:
                days = stay.left - stay.entered
                chance = chances[k] * (until(k, days) - until(k, days - 1))
        total += math.log(chance)
        if complete is False:
            total -= math.log(1 - before)
    return total


@pytest.mark.parametrize("complete", [None, True, False])
def test_the_likelihood_is_that_of_the_definition(complete):
    records = some_records(complete)
    stays = records.stays
    undated = (stays["to"] == "lost") & (np.arange(len(stays)) % 3 == 0)
    stays.loc[undated, "left"] = UNDATED
    cure = Cure(Counts(tally(stays_of(records, "opportunity")), complete is False))
    theta = np.array([0.4, 0.8, math.log(33), math.log(0.6), math.log(21), math.log(1.2)])
    shape = 1.0 / _weibull_inverse(1.2)
    laws = [
        stats.gamma(0.6**-2, scale=33 * 0.36),
        stats.weibull_min(shape, scale=21 / math.gamma(1 + 1 / shape)),
    ]
    expected = by_hand(records, softmax(theta[:2]), laws, complete)
    assert cure.log_likelihood(SHAPES, theta) == pytest.approx(expected, rel=1e-9)


def _weibull_inverse(cv):
    from scipy.optimize import brentq

    def off(i):
        return math.gamma(1 + 2 * i) / math.gamma(1 + i) ** 2 - 1 - cv**2

    return brentq(off, 0.05, 5)


@pytest.mark.parametrize("complete", [None, True, False])
def test_the_slope_is_that_of_the_posterior(complete):
    records = some_records(complete)
    cure = Cure(Counts(tally(stays_of(records, "opportunity")), complete is False))
    theta = cure.start(SHAPES) + 0.1
    slope = cure.slope(SHAPES, theta)[1]
    for i, step in enumerate(1e-5 * np.eye(len(theta))):
        up, down = (cure.slope(SHAPES, theta + sign * step)[0] for sign in (1, -1))
        assert slope[i] == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-4)


def test_complete_counts_have_their_share_and_half_a_case():
    entered = np.arange(20.0)
    to = np.array(["won"] * 6 + ["lost"] * 14, dtype=object)
    records = records_of(entered, entered + 5 + entered, to, 100)
    cure = Cure(Counts(tally(stays_of(records, "opportunity")), False))
    mode = cure.mode((Shape("gamma"), Shape("gamma")))
    assert mode.conversions == pytest.approx([6.5 / 21.5, 14.5 / 21.5], rel=1e-3)


def test_an_exponential_lag_that_all_have_in_the_end_is_days_over_events():
    """With c = 1 and cv = 1 the likelihood is largest at all the time spent over those who left."""
    rng = np.random.default_rng(3)
    entered = 1000 * rng.random(400)
    left = entered + rng.exponential(300.0, 400)
    left = np.where(left < 1000, left, np.nan)
    records = records_of(entered, left, "won", 1000)
    cure = Cure(Counts(tally(stays_of(records, "opportunity")), False))
    spent = np.where(np.isnan(left), 1000.0, left) - entered
    best = spent.sum() / np.isfinite(left).sum()

    def value(mean):
        return cure.log_likelihood((Shape("gamma"),), np.array([25.0, math.log(mean), 0.0]))

    grid = best * np.linspace(0.97, 1.03, 61)
    assert grid[np.argmax([value(mean) for mean in grid])] == pytest.approx(best, rel=0.004)
