"""Laws of cycle lags, told in whole days as records are.

Records round both moments down to days. An item enters evenly within its day and stays for L days,
so that it leaves d days after the day of its entry with chance

    p(d) = H(d) - H(d - 1),    H(d) = integral of F from d to d + 1,    H(-1) = 0,

F being the distribution function of L: an item can leave on the day of its entry. With A(x) =
E[max(x - L, 0)] = x F(x) - E[L; L <= x], H(d) = A(d + 1) - A(d); and with B(x) = E[max(L - x, 0)] =
E[L; L > x] - x P(L > x), H(d) = 1 + B(d + 1) - B(d). Both are closed, since the size-biased laws
are known (gamma: shape + 1; lognormal: mu + sigma^2; Weibull: an incomplete gamma function), and
each is exact where it is small.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from scipy.special import gammainc, gammaincc, gammaln, ndtr

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

FAMILIES = ("gamma", "lognormal", "weibull")
LOG_CV_BOUNDS = (math.log(0.05), math.log(8.0))
TINY = 1e-100  # in place of a chance of 0, whose logarithm is none


class DayTable(NamedTuple):
    """Hold the chances of a lag in days: `at[d]` of d days, `by[d + 1]` of d days or fewer.

    `by[0]` is 0: an age of -1 is one before the entry.
    """

    at: FloatArray
    by: FloatArray


class Law(NamedTuple):
    """Hold P(L <= x), P(L > x), E[L; L <= x] and E[L; L > x]."""

    below: FloatArray
    above: FloatArray
    mean_below: FloatArray
    mean_above: FloatArray


def day_table(family: str, log_mean: float, log_cv: float, days: int, unit: int = 1) -> DayTable:
    """Give the chances of 0 to `days` days under a family with that mean (days) and cv.

    With a `unit` above 1 lags are seen in whole units only (weeks, say), and none below one: the
    law's lag rounded up, as a geometric number of weeks is an exponential one.
    """
    if unit > 1:
        return _in_units(family, (log_mean, log_cv), days, unit)
    x = np.arange(days + 2, dtype=np.float64)
    law = lag_law(family, math.exp(log_mean), math.exp(log_cv), x)
    early = np.concatenate(([0.0], x * law.below - law.mean_below))
    late = np.concatenate(([law.mean_above[0] + 1.0], law.mean_above - x * law.above))
    low = law.below < 0.5
    early, late = early[1:] - early[:-1], late[1:] - late[:-1]
    by = np.where(low, early, 1.0 + late)
    at = np.where(low[:-1], early[1:] - early[:-1], late[1:] - late[:-1])
    return DayTable(np.maximum(at, TINY), np.clip(by, 0.0, 1.0))


def _in_units(family: str, lag: tuple[float, float], days: int, unit: int) -> DayTable:
    x = np.arange(days // unit + 1, dtype=np.float64) * unit
    law = lag_law(family, math.exp(lag[0]), math.exp(lag[1]), x)
    at = np.full(days + 1, TINY)
    steps = np.where(law.below[1:] < 0.5, np.diff(law.below), -np.diff(law.above))
    at[unit::unit] = np.maximum(steps, TINY)
    by = np.concatenate(([0.0], np.repeat(law.below, unit)[: days + 1]))
    return DayTable(at, by)


def lag_law(family: str, mean: float, cv: float, x: FloatArray) -> Law:
    """Give a family's law at x >= 0 in rising order, each part exact where it is small."""
    if family == "gamma":
        return _gamma(mean, cv, x)
    return _lognormal(mean, cv, x) if family == "lognormal" else _weibull(mean, cv, x)


def _gamma(mean: float, cv: float, x: FloatArray) -> Law:
    shape = cv**-2
    z = x / (mean / shape)
    below, above = _incomplete(shape, z)
    with np.errstate(divide="ignore", under="ignore"):
        step = np.exp(shape * np.log(z) - z - gammaln(shape + 1.0))
    return Law(below, above, mean * np.maximum(below - step, 0.0), mean * (above + step))


def _lognormal(mean: float, cv: float, x: FloatArray) -> Law:
    sigma = math.sqrt(math.log1p(cv * cv))
    with np.errstate(divide="ignore", under="ignore"):
        z = (np.log(x) - math.log(mean)) / sigma + 0.5 * sigma
        size = z - sigma
        return Law(ndtr(z), ndtr(-z), mean * ndtr(size), mean * ndtr(-size))


def _weibull(mean: float, cv: float, x: FloatArray) -> Law:
    shape = weibull_shape(cv)
    scale = mean / math.gamma(1.0 + 1.0 / shape)
    with np.errstate(under="ignore", over="ignore"):
        z = np.minimum((x / scale) ** shape, 700.0)
        size_below, size_above = _incomplete(1.0 + 1.0 / shape, z)
        return Law(-np.expm1(-z), np.exp(-z), mean * size_below, mean * size_above)


def _incomplete(shape: float, z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Both regularised incomplete gamma functions at rising z, each computed where it is small."""
    split = int(np.searchsorted(z, shape))
    with np.errstate(under="ignore"):
        low, high = gammainc(shape, z[:split]), gammaincc(shape, z[split:])
    return np.concatenate((low, 1.0 - high)), np.concatenate((1.0 - low, high))


def weibull_shape(cv: float) -> float:
    """Give the shape k at which 1 + cv^2 = Gamma(1 + 2 / k) / Gamma(1 + 1 / k)^2, by Newton."""
    logs, shapes = _weibull_grid()
    target = math.log1p(cv * cv)
    inverse = float(np.interp(target, logs, shapes))
    for _ in range(3):
        step = 1e-5 * inverse
        high, low = _weibull_log(inverse + step), _weibull_log(inverse - step)
        inverse -= (_weibull_log(inverse) - target) * 2.0 * step / (high - low)
    return 1.0 / inverse


def _weibull_log(inverse: float) -> float:
    return math.lgamma(1.0 + 2.0 * inverse) - 2.0 * math.lgamma(1.0 + inverse)


@cache
def _weibull_grid() -> tuple[FloatArray, FloatArray]:
    inverse = np.geomspace(0.01, 8.0, 1000)
    return np.array([_weibull_log(float(i)) for i in inverse]), inverse
