"""Seasons of calendar months, told from levels that move."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
LEAST_MONTHS = 24  # whole ones
LEAST_MEAN = 5.0  # items a month: with fewer no season can be told
PARAMETERS = 11
WALKS = np.array([1e-6, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1])  # variances of log level a month
NOISES = np.array([0.0, 1e-3, 3e-3, 1e-2, 3e-2, 0.1])  # of a month beyond chance


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
    """The greatest log-likelihood of a random walk with noise over a grid, and x's coefficients."""
    n = len(y)
    lags = np.minimum.outer(np.arange(n), np.arange(n)).astype(np.float64)
    walk, extra = (v.ravel()[:, None, None] for v in np.meshgrid(WALKS, NOISES))
    factor = np.linalg.cholesky(np.diag(noise) + extra * np.eye(n) + walk * lags)
    both = np.linalg.solve(
        factor, np.broadcast_to(np.column_stack([x, y]), (*factor.shape[:2], x.shape[1] + 1))
    )
    a, b = both[:, :, :-1], both[:, :, -1:]
    turned = np.swapaxes(a, 1, 2)
    beta = np.linalg.solve(turned @ a, turned @ b)
    rest = ((b - a @ beta) ** 2).sum(axis=(1, 2))
    scale = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    value = -0.5 * rest - scale
    best = int(np.argmax(value))
    return float(value[best]), np.asarray(beta[best, :, 0])
