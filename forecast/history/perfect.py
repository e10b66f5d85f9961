"""The best that anybody could do: somebody who knew all but luck."""

from __future__ import annotations

import numpy as np
from scipy import stats

from forecast.history.origins import BOOKINGS, Came, Floats, wins_of
from forecast.history.scores import QUANTILES, expected_wis, wis
from forecast.history.sums import random_sums

RUNS = 2_000
SEED = 0
TAIL = 1e-9


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
