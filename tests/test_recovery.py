"""Truths recovered from many histories: bias, coverage, ranks under what is said to be known."""

import numpy as np
import pytest
from known_ways import gamma, known_history, lived, records_of
from scipy import stats

from forecast.history.fitting.ways import fit_ways

FALSE_ALARM = 1e-6


def fits(case, histories):
    rows = []
    for seed in range(histories):
        records, conversion, mean = known_history(case, seed)
        won = fit_ways(records)[0]
        rows.append((won.conversion, won.lag.mean_days))
    return rows, conversion, mean


def check_coverage(held, n, low=0.87, high=0.93):
    """Coverage within `low` and `high`, but for chance."""
    level = FALSE_ALARM / 8
    assert stats.binom.ppf(level, n, low) <= held <= stats.binom.isf(level, n, high)


def check_bias(values, truth):
    """Bias below a quarter of the standard error, but for chance."""
    values = np.asarray(values)
    error = values.std(ddof=1)
    chance = -stats.norm.ppf(FALSE_ALARM / 8) / np.sqrt(len(values))
    assert abs(values.mean() - truth) < (0.25 + chance) * error


def test_open_items_are_accounted_for():
    rows, conversion, mean = fits("half", 6)
    shares = [share.value for share, _ in rows]
    assert np.mean(shares) == pytest.approx(conversion, abs=0.035)
    assert np.mean([lag.value for _, lag in rows]) == pytest.approx(mean, rel=0.25)


@pytest.mark.long
@pytest.mark.parametrize("case", ["half", "weeks"])
def test_neither_conversion_nor_lag_is_biased(case):
    rows, conversion, mean = fits(case, 200)
    for k, truth in enumerate((conversion, mean)):
        check_bias([row[k].value for row in rows], truth)
        check_coverage(sum(row[k].low <= truth <= row[k].high for row in rows), len(rows))


def drawn_history(rng):
    """A history whose truth is drawn as well."""
    conversion, mean = rng.uniform(0.1, 0.4), rng.lognormal(np.log(60), 0.3)
    count = rng.integers(200, 1500)
    entered = 250 * rng.random(count)
    ways = [
        ("won", conversion, gamma(mean, rng.uniform(0.5, 1.2))),
        ("lost", 0.9 - conversion, gamma(rng.uniform(20, 90), rng.uniform(0.5, 1.2))),
    ]
    return records_of(entered, *lived(rng, entered, 250, ways), 250), conversion, mean


@pytest.mark.long
def test_truths_rank_evenly_in_what_is_said_to_be_known():
    rng = np.random.default_rng(21)
    ranks, held, held_lag = [], 0, 0
    for _ in range(200):
        records, conversion, mean = drawn_history(rng)
        won = fit_ways(records)[0]
        ranks.append(stats.beta.cdf(conversion, won.won, won.lost))
        held += won.conversion.low <= conversion <= won.conversion.high
        held_lag += won.lag.mean_days.low <= mean <= won.lag.mean_days.high
    assert stats.kstest(ranks, "uniform").pvalue > 1e-4
    check_coverage(held, 200)
    check_coverage(held_lag, 200)
