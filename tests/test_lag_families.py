"""Lags told in days, against quadrature of scipy's distributions and against simulated days."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from forecast.history.fitting.lag_families import FAMILIES, day_table, weibull_shape

SHAPES = [(20.0, 0.3), (60.0, 0.9), (5.0, 2.0), (0.4, 0.8), (80.0, 0.06)]


def law_of(family, mean, cv):
    if family == "gamma":
        return stats.gamma(cv**-2, scale=mean * cv**2)
    if family == "lognormal":
        sigma = math.sqrt(math.log1p(cv**2))
        return stats.lognorm(sigma, scale=mean * math.exp(-(sigma**2) / 2))
    shape = weibull_shape(cv)
    return stats.weibull_min(shape, scale=mean / math.gamma(1 + 1 / shape))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("mean", "cv"), SHAPES)
def test_chances_of_days_are_averages_of_the_distribution_function(family, mean, cv):
    law = law_of(family, mean, cv)
    assert law.std() / law.mean() == pytest.approx(cv, rel=1e-6)
    table = day_table(family, math.log(mean), math.log(cv), 400)
    for day in (0, 1, 2, 10, 40, 100, 300):
        until = integrate.quad(law.cdf, day, day + 1, epsabs=1e-13)[0]
        before = integrate.quad(law.cdf, day - 1, day, epsabs=1e-13)[0] if day else 0.0
        assert table.by[day + 1] == pytest.approx(until, abs=1e-11)
        assert table.at[day] == pytest.approx(until - before, abs=1e-11)
    assert table.by[0] == 0.0
    assert table.at.sum() == pytest.approx(table.by[-1], abs=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_far_tails_keep_their_digits(family):
    table = day_table(family, math.log(20.0), math.log(0.5), 200)
    law = law_of(family, 20.0, 0.5)
    seen = integrate.quad(lambda x: law.pdf(x) * (1 - abs(x - 150)), 149, 151, points=[150])[0]
    assert 1e-60 < seen < 1e-4
    assert table.at[150] == pytest.approx(seen, rel=1e-4)


def test_moments_rounded_down_to_days_have_these_chances():
    rng = np.random.default_rng(1)
    enters = rng.random(200_000)
    days = np.floor(enters + rng.gamma(2.0, 3.0, len(enters))).astype(int)
    table = day_table("gamma", math.log(6.0), math.log(2**-0.5), 60)
    seen = np.bincount(days, minlength=61)[:30]
    p = stats.chisquare(
        np.append(seen, len(days) - seen.sum()),
        len(days) * np.append(table.at[:30], 1 - table.at[:30].sum()),
    ).pvalue
    assert p > 1e-6


def test_a_geometric_number_of_weeks_is_an_exponential_lag_rounded_up():
    mean = -7 / math.log(0.9)
    table = day_table("gamma", math.log(mean), 0.0, 70, unit=7)
    assert table.at[7::7] == pytest.approx(0.1 * 0.9 ** np.arange(10))
    assert table.by[1:8] == pytest.approx(np.zeros(7))
    assert table.by[8:15] == pytest.approx(np.full(7, 0.1))
