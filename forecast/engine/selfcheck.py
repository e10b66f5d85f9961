"""Every run checks itself: simulated means against closed-form means, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from forecast.engine.outcome import SelfCheck

FALSE_ALARM = 1e-6  # over all cells of a forecast together
FEWEST_RUNS = 100  # a mean of fewer runs is not judged
MOST_SKEW = 0.1  # a cell whose mean is still this skewed (skewness / sqrt(runs)) is left out
SURE_EVENTS = 60.0  # e**-60: no chance to see none where so many are expected


def check_means(
    totals: Mapping[str, NDArray[np.generic]],
    expected: Mapping[str, NDArray[np.float64]],
    quarters: tuple[str, ...],
) -> SelfCheck:
    """Compare the means over runs of ``totals`` (run, quarter) with ``expected`` (quarter,).

    z is the studentised mean with its skewness removed (Hall 1992, "On the removal of skewness by
    transformation", doi:10.1111/j.2517-6161.1992.tb01876.x).
    """
    worst, where, cells = 0.0, "", 0
    for name, values in totals.items():
        for q, label in enumerate(quarters):
            cell = np.asarray(values[:, q], dtype=np.float64)
            z = _z_of(cell, float(expected[name][q]), money=values.dtype.kind == "f")
            if z is not None:
                cells += 1
                if not abs(z) <= abs(worst):
                    worst, where = z, f"{name} {label}"
    bound = NormalDist().inv_cdf(1.0 - FALSE_ALARM / (2.0 * max(cells, 1)))
    return SelfCheck(worst, where, bound, cells)


def _z_of(values: NDArray[np.float64], expected: float, *, money: bool) -> float | None:
    """The z-score of a cell; None where the runs are too few to judge it."""
    n = len(values)
    if n < FEWEST_RUNS:
        return None
    mean = float(values.mean())
    centred = values - mean
    variance = float(np.square(centred).sum()) / n
    difference = mean - expected
    if not isfinite(difference):
        return inf
    if variance <= (1e-9 * abs(mean)) ** 2:
        if abs(difference) <= 1e-9 * max(1.0, abs(expected)):
            return 0.0
        if mean == 0.0 and money:
            return None  # as rare as the deals, which have a cell of their own
        return inf if n * abs(difference) > SURE_EVENTS else None
    sd = sqrt(variance)
    skew = float(np.mean(centred**3)) / sd**3
    if abs(skew) / sqrt(n) > MOST_SKEW:
        return None
    t = difference / (sd / sqrt(n))
    return t + skew * (2.0 * t * t + 1.0) / (6.0 * sqrt(n)) + skew**2 * t**3 / (27.0 * n)
