"""Seasons of calendar months, told from levels that move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize

Floats = NDArray[np.float64]
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
LEAST_MONTHS = 24  # whole ones
LEAST_MEAN = 5.0  # items a month: with fewer no season can be told
PARAMETERS = 11


def month_of_days(first: int, n_days: int) -> NDArray[np.int64]:
    """Give the calendar month, 0 to 11, of so many days from the ordinal `first` on."""
    days = np.datetime64("0001-01-01") + np.arange(first - 1, first - 1 + n_days)
    return np.asarray(days.astype("datetime64[M]").astype(np.int64) % 12)


def find_season(daily: Floats, first: int, known: Mapping[str, float] | None) -> dict[str, float]:
    """Give factors of calendar months, mean 1, or those that are `known` where no others show.

    `daily` are counts from the ordinal `first` on. The logarithms of the counts a day of whole
    months are a random walk with noise; factors of months are fitted to them by generalised least
    squares and kept where they lower the BIC of the fit by maximum likelihood. They are shrunk by
    what they would seem to be by chance alone (James and Stein 1961).
    """
    base = dict(known or {})
    counts, days, month = _whole_months(daily, first)
    if len(counts) < LEAST_MONTHS or counts.mean() < LEAST_MEAN:
        return base
    y = np.log((counts + 0.5) / days)
    y = y - np.log([base.get(MONTHS[m], 1.0) for m in month])
    noise = 1.0 / (counts + 0.5)
    plain = np.ones((len(y), 1))
    dummies = np.hstack([plain, np.eye(12)[month][:, 1:]])
    without, _ = _likelihood(y, noise, plain)
    found, beta = _likelihood(y, noise, dummies)
    gain = 2.0 * (found - without)
    if gain <= PARAMETERS * np.log(len(y)):
        return base
    effect = np.concatenate([[0.0], beta[1:]])
    effect = (effect - effect.mean()) * (1.0 - PARAMETERS / gain)
    factor = np.exp(effect) * [base.get(name, 1.0) for name in MONTHS]
    factor = factor / factor.mean()
    return {name: round(float(f), 4) for name, f in zip(MONTHS, factor, strict=True)}


def _whole_months(daily: Floats, first: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Counts, days and calendar months of the months that are whole, from the first arrival on."""
    skipped = int(np.argmax(daily > 0))
    daily, first = daily[skipped:], first + skipped
    days = np.datetime64("0001-01-01") + np.arange(first - 1, first - 1 + len(daily))
    index = days.astype("datetime64[M]").astype(np.int64)
    index0 = index - index[0]
    counts = np.bincount(index0, weights=daily)
    length = np.bincount(index0).astype(np.float64)
    months = np.arange(index[0], index[-1] + 1)
    starts = months.astype("datetime64[M]")
    full = ((starts + 1).astype("datetime64[D]") - starts.astype("datetime64[D]")).astype(int)
    whole = length == full
    return counts[whole], length[whole], np.asarray(months % 12)[whole]


def _likelihood(y: Floats, noise: Floats, x: Floats) -> tuple[float, Floats]:
    """The greatest log-likelihood of a random walk with noise, and its x's."""
    lags = np.minimum.outer(np.arange(len(y)), np.arange(len(y))).astype(np.float64)

    def fit(theta: NDArray[Any]) -> tuple[float, Floats]:
        walk, extra = np.exp(theta)
        factor = linalg.cholesky(np.diag(noise + extra) + walk * lags, lower=True)
        a = linalg.solve_triangular(factor, x, lower=True)
        b = linalg.solve_triangular(factor, y, lower=True)
        beta = linalg.lstsq(a, b)[0]
        rest = b - a @ beta
        return float(-0.5 * rest @ rest - np.log(np.diag(factor)).sum()), np.asarray(beta)

    def loss(theta: NDArray[Any]) -> float:
        return -fit(theta)[0]

    bounds = optimize.Bounds(np.full(2, -14.0), np.full(2, 2.0))
    best = optimize.minimize(loss, np.log([0.005, 0.005]), method="L-BFGS-B", bounds=bounds)
    return fit(best.x)
