"""The best that anybody could do: somebody who knew all but luck."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from forecast.history.origins import BOOKINGS, Came, Floats, wins_of
from forecast.history.scores import QUANTILES, expected_wis, wis

RUNS = 2_000
SEED = 0
TAIL = 1e-9
MOST_AT_ONCE = 5_000_000  # sizes
EXACT = 2_000  # deals; a sum of more on average is gamma but for the last digits


def perfect_wis(deals: Floats, came: Came, metric: str) -> Floats:
    """Give the weighted interval score to expect of who knew each period's true mean: (period,).

    Deals are then Poisson, and bookings sums of so many sizes, each one of those that ever came.
    The mean is not known to us; the deals that came (period,) stand for it, which is right on
    average but for curvature: the score grows as the root of the mean, so that it comes out too
    small by about 1 / (8 mean). No forecast does better for long where deals come independently;
    at a short horizon the pipeline may say more than a mean does. nan stays nan.
    """
    found = np.full(len(deals), np.nan)
    for i, mean in enumerate(deals):
        if np.isfinite(mean):
            found[i] = (
                _of_bookings(float(mean), came) if metric == BOOKINGS else _of_deals(float(mean))
            )
    return found


def _of_deals(mean: float) -> float:
    """Sum the scores of Poisson quantiles over Poisson outcomes."""
    if mean == 0.0:
        return 0.0
    luck = stats.poisson(mean)
    counts = np.arange(luck.ppf(TAIL), luck.isf(TAIL) + 1)
    return float(wis(luck.ppf(QUANTILES), counts) @ luck.pmf(counts))


def _of_bookings(mean: float, came: Came) -> float:
    sizes = wins_of(came.records).amount
    sizes = sizes[np.isfinite(sizes)]
    if mean == 0.0 or not sizes.sum() > 0.0:
        return 0.0
    rng = np.random.default_rng([SEED, int(mean)])
    runs = random_sums(rng.poisson(mean, RUNS), sizes, rng)
    quantiles = np.quantile(runs, QUANTILES, method="inverted_cdf")
    return float(expected_wis(quantiles, runs))


def random_sums(counts: NDArray[np.int64], sizes: Floats, rng: np.random.Generator) -> Floats:
    """Add up as many sizes, each one of `sizes` at random, as `counts` (...) says.

    Where they are many on average the sums are drawn from a gamma distribution of the same mean
    and variance instead.
    """
    total = float(sizes.sum())
    if not total > 0.0 or not counts.any():
        return np.zeros(counts.shape)
    if counts.mean() > EXACT or counts.sum() > MOST_AT_ONCE:
        mean, variance = sizes.mean(), sizes.var()
        if variance <= 1e-12 * mean**2:
            return np.asarray(counts * mean)
        shape = np.maximum(counts, 1e-9) * mean**2 / variance
        return np.where(counts > 0, rng.gamma(shape, variance / mean), 0.0)
    flat = counts.ravel()
    sums = np.concatenate([[0.0], np.cumsum(rng.choice(sizes, int(flat.sum())))])
    ends = np.cumsum(flat)
    return np.asarray(sums[ends] - sums[ends - flat]).reshape(counts.shape)
