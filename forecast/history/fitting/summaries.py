"""Numbers from weighted draws: medians, 90% intervals, betas and rank correlations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from forecast.history.fitting.lag_families import FloatArray

LOW, HIGH = 0.05, 0.95


class Known(NamedTuple):
    """Hold a median and a 90% interval."""

    value: float
    low: float
    high: float


def known(draws: FloatArray, weights: FloatArray) -> Known:
    """Give the weighted median of draws and the interval that 90% of them lie in."""
    order = np.argsort(draws)
    below = np.cumsum(weights[order]) - 0.5 * weights[order]
    low, value, high = np.interp([LOW, 0.5, HIGH], below, draws[order])
    return Known(float(value), float(low), float(high))


def moments(draws: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Give the weighted mean and variance."""
    mean = float(weights @ draws)
    return mean, float(weights @ (draws - mean) ** 2)


def beta_cases(mean: float, variance: float) -> tuple[float, float]:
    """Give the cases (won, lost) of the beta distribution with that mean and variance."""
    mean = min(max(float(mean), 1e-9), 1.0 - 1e-9)
    cases = max(mean * (1.0 - mean) / max(float(variance), 1e-18) - 1.0, 0.1)
    return mean * cases, (1.0 - mean) * cases


def rank_correlation(x: FloatArray, y: FloatArray, weights: FloatArray) -> float:
    """Give the weighted rank correlation of two rows of draws; 0 where one does not vary."""
    a, b = _weighted_ranks(x, weights), _weighted_ranks(y, weights)
    a, b = a - weights @ a, b - weights @ b
    scale = float(np.sqrt((weights @ a**2) * (weights @ b**2)))
    return float(weights @ (a * b)) / scale if scale > 0.0 else 0.0


def _weighted_ranks(x: FloatArray, weights: FloatArray) -> FloatArray:
    if np.ptp(x) == 0.0:
        return np.zeros_like(x)
    dense = rankdata(x, method="dense") - 1
    mass = np.bincount(dense, weights=weights)
    return np.asarray((np.cumsum(mass) - 0.5 * mass)[dense])
